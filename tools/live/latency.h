// tools/live/latency.h: how long slow paths took, by cause.
//
// Responsibility  Rows out of the page's tables, and what came between two looks.
// Contract        A process times its slow paths only while it is asked to; no rows of a library that cannot.
// Observable      LatencyRow.
// Composable      page. Used by stat, stat_formats.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "page.h"

namespace hakmem::tools {

struct LatencyRow {
  std::string cause;
  std::string help;
  // One for each bound of LatencyFigures.
  std::vector<std::uint64_t> counts;
  std::uint64_t total_ns = 0;
  std::uint64_t longest_ns = 0;  // of the process's last watch

  std::uint64_t count() const;
};

struct LatencyFigures {
  // The counts of a row are of durations below this, and not below the one before; the last is no bound.
  std::vector<std::uint64_t> below_ns;
  std::vector<LatencyRow> rows;
  // The counts are those of one watch, and not all since the process began: the longest is one of them.
  bool of_watch = false;
  // The process gave the counts at the end of the watch; they are older otherwise.
  bool answered = true;

  bool any() const;
  // A bound that this share of the row's durations does not exceed: the bucket's end, or a watch's longest.
  std::uint64_t quantile_ns(const LatencyRow& row, double share) const;
};

LatencyFigures read_latency(const StatsPage& page);
// Those of a watch: without what was there before. The longest stays, as the process forgot those from before it
// was asked.
LatencyFigures since(LatencyFigures now, const LatencyFigures& before);

// Has the process time its slow paths for so long, waits, and returns what they took. Why there is nothing is a
// Failure.
LatencyFigures watch_latency(int pid, double seconds);

std::string latency_text(const LatencyFigures& figures, double seconds);

}  // namespace hakmem::tools
