// tools/bench/suite.h: what is measured, read from bench/suite.json.
//
// Responsibility  Read the one file that lists the rows, and refuse a bad one.
// Contract        load_suite(file): every row is complete and its values are in range, or an Error
//                 that names the file, the row, the member and what is wrong with it.
// Observable      The rows and checks in the file's order.
// Composable      Knows no allocator and runs nothing.
//
// {"rows": [...], "checks": [...]}. A row:
//   name, title        identifier (a-z, 0-9, _) and one line for people
//   program, args      a workload of bench/, or with "real" a script that python3 runs
//   figure, scale      the member of the result line that counts, divided by scale (1.0)
//   better, unit       "higher" or "lower", and what the figure is measured in
//   kind               "speed", "memory", "latency" or "program"
//   parity, smoke, ceiling  flags (false): in the parity set, in the short run, used by `ceiling`
//   rounds_max         at most so many rounds of this row
//   gate               {"kind": "faster", "than": [NAME...]} than each of these (all that were
//                      measured), {"kind": "at_most", "bound": X}, {"kind": "at_least", "bound": X}
//   real               anything but false: a real program's row. The script gets the library to
//                      preload in the variable BENCH_PRELOAD (empty: none) and preloads it into the
//                      program that it measures, not into itself
// A check is a gate without a figure: name, title, program, args ("{hakmem}" stands for the
// library). A Python script, held to exit status 0.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace hakmem::bench {

struct Gate {
  enum class Kind { kFaster, kAtMost, kAtLeast };
  Kind kind = Kind::kFaster;
  double bound = 0.0;
  std::vector<std::string> than;
};

struct Row {
  std::string name;
  std::string title;
  std::string program;
  std::vector<std::string> args;
  std::string figure;
  double scale = 1.0;
  bool higher_is_better = true;
  std::string unit;
  std::string kind;
  bool parity = false;
  bool smoke = false;
  bool ceiling = false;
  bool real = false;
  std::optional<std::size_t> rounds_max;
  std::optional<Gate> gate;
  nlohmann::json definition;  // as it stands in the file, for the reports
};

struct Check {
  std::string name;
  std::string title;
  std::string program;
  std::vector<std::string> args;
};

struct Suite {
  std::filesystem::path file;
  std::vector<Row> rows;
  std::vector<Check> checks;
};

Suite load_suite(const std::filesystem::path& file);

}  // namespace hakmem::bench
