// tools/bench/compare_options.h: the command line of `hakmem bench compare`.
//
// Responsibility  Declare the options and their help, and turn texts into values.
// Contract        A text that is no value of its option is a CLI11 ValidationError, which names the
//                 option and what it takes.
// Observable      --help.
// Composable      Knows nothing of measuring.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "samples.h"

namespace CLI {
class App;
}

namespace hakmem::bench {

struct CompareOptions {
  std::filesystem::path suite;
  std::filesystem::path bench_folder;
  std::vector<std::string> rows;
  bool smoke = false;
  bool gates = false;
  bool list = false;

  std::filesystem::path hakmem;
  std::vector<std::string> allocators;
  std::vector<std::string> against;

  Settings settings;
  bool budget_given = false;

  bool fail_on_slower = false;
  double fail_on_slower_by = 0.0;  // 0.02: 2 %
  bool fail_on_gate = false;

  std::filesystem::path json;
  std::filesystem::path html;
  bool all = false;
  bool no_profile = false;
  bool no_progress = false;
};

void declare_compare_options(CLI::App* command, CompareOptions* options);

}  // namespace hakmem::bench
