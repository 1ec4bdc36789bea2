// tools/bench/run.h: one run of one row under one allocator.
//
// Responsibility  Start the workload with the allocator preloaded, and accept its result or not.
// Contract        A run counts only when the child exits 0, prints one JSON object with the row's
//                 figure, and reports that its malloc came from the file that was asked for.
//                 LD_PRELOAD is set in the measured child and nowhere else; other allocators'
//                 settings are taken out of its environment, HAKMEM_* stays.
// Observable      Run::error says why a run does not count.
// Composable      Needs child.h. Knows no rounds and no statistics.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "samples.h"

namespace hakmem::bench {

// Finds the rows' programs. Made before anything is measured, so that a missing one stops nothing
// in the middle.
class Launcher {
 public:
  // Throws Error when a row's program is in none of `folders`.
  Launcher(const std::vector<const Row*>& rows, std::vector<std::filesystem::path> folders,
           std::chrono::seconds timeout);

  // Fills figure, peak_rss_mib, error, skipped and result. False when the user interrupted.
  bool run(const Row& row, const Allocator& allocator, Run* run) const;

 private:
  [[nodiscard]] std::vector<std::string> command(const Row& row) const;

  std::vector<std::filesystem::path> folders_;
  std::chrono::seconds timeout_;
};

// The first of `folders` that has the file, or nothing.
std::optional<std::filesystem::path> find_program(
    const std::string& name, const std::vector<std::filesystem::path>& folders);

}  // namespace hakmem::bench
