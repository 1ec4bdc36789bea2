// tools/bench/scale_options.h: the command line of `hakmem bench scale`.
//
// Responsibility  Declare the options and their help.
// Contract        Values are in range when parsing succeeded; --quick is worked in by
//                 with_defaults().
// Observable      --help.
// Composable      Knows nothing of measuring.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace CLI {
class App;
}

namespace hakmem::bench {

struct ScaleOptions {
  std::filesystem::path bench_folder;
  std::filesystem::path hakmem;
  std::filesystem::path json;
  std::vector<unsigned> threads;    // empty: the default, which --quick changes
  std::vector<std::uint64_t> live;  // the same
  std::uint64_t steps = 0;          // the same
  std::size_t rounds = 1;
  unsigned remote_percent = 10;
  unsigned partners = 0;
  std::uint64_t min_bytes = 16;
  std::uint64_t max_bytes = 1024;
  bool quick = false;
  bool fail_on_growth = false;
  bool no_progress = false;
};

void declare_scale_options(CLI::App* command, ScaleOptions* options);

// What was not given, filled in.
ScaleOptions with_defaults(ScaleOptions options);

}  // namespace hakmem::bench
