// tools/bench/loss_profile.h: where the time goes in the rows that hakmem loses.
//
// Responsibility  Run each lost row once more under callgrind, with hakmem and with the allocator that
//                 beat it most, and say which functions the instructions were in.
// Contract        A row is lost when a comparison is "slower", or its median ratio is below 0.98 and the
//                 runs do not tell. Real programs and rows of memory or latency are not profiled.
//                 Figures are for one operation of the row, start and warm-up included. callgrind counts
//                 instructions of the program, and the calls of the kernel with their time.
// Observable      One JSON object for each row, an "error" in place of figures that could not be had.
// Composable      Needs callgrind.h. Throws nothing.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "verdict.h"

namespace hakmem::bench {

nlohmann::json profile_losses(const Measurement& measurement,
                              const std::vector<Comparison>& comparisons,
                              const std::vector<std::filesystem::path>& folders);

}  // namespace hakmem::bench
