// tools/bench/instructions.h: what malloc and free execute, counted by valgrind's callgrind.
//
// Responsibility  Instructions of one malloc (or calloc) and one free in a row's steady state.
// Contract        Collection is on inside malloc, calloc and free only. The row's program runs
//                 twice, the second time with twice the operations; what the difference executed is
//                 divided by its pairs, so that start, warm-up and first touches drop out. For
//                 one-threaded rows whose first argument is the number of operations.
// Observable      The count, or why there is none.
// Composable      Needs callgrind.h. Throws nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "samples.h"

namespace hakmem::bench {

struct InstructionCount {
  std::optional<double> per_pair;
  std::string error;
  bool interrupted = false;
};

// `settings`: further variables of the measured program's environment, as NAME=VALUE.
InstructionCount count_instructions(const Row& row, const std::filesystem::path& program,
                                    const Allocator& allocator,
                                    const std::vector<std::string>& settings);

}  // namespace hakmem::bench
