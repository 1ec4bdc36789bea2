// tools/bench/ceiling_options.h: the command line of `hakmem bench ceiling`.
//
// Responsibility  Declare the options and their help.
// Contract        Values are in range when parsing succeeded; whether a row or file exists is not
//                 looked at here.
// Observable      --help.
// Composable      Knows nothing of measuring.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hakmem::bench {

struct CeilingOptions {
  std::filesystem::path suite;
  std::filesystem::path bench_folder;
  std::filesystem::path hakmem;
  std::filesystem::path ceiling;
  std::vector<std::string> rows;
  std::size_t rounds = 7;
  unsigned seed = 42;
  bool instructions = false;
  bool list = false;
};

void declare_ceiling_options(CLI::App* command, CeilingOptions* options);

}  // namespace hakmem::bench
