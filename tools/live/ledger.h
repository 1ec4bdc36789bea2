// tools/live/ledger.h: where the memory of a process is.
//
// Responsibility  Rows that sum to what the kernel calls the resident memory of a process.
// Contract        The heap's rows come from its page, the others from /proc/PID/smaps. Slots and huge blocks
//                 whose pages are not there (never written, swapped out) are one negative row. What is left is
//                 "unexplained", shown and never hidden: pages of the reservation beyond what the page knows.
// Observable      Ledger.
// Composable      page, process. Used by stat, top, openmetrics, doctor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "page.h"

namespace hakmem::tools {

struct LedgerRow {
  std::string id;
  std::string label;
  std::int64_t bytes = 0;
};

struct Ledger {
  std::vector<LedgerRow> rows;
  std::uint64_t rss = 0;
  std::uint64_t huge_pages = 0;  // bytes of the reservation in transparent huge pages
  std::uint64_t mappings = 0;

  std::int64_t of(const std::string& id) const;
};

Ledger make_ledger(const StatsPage& page, int pid);

}  // namespace hakmem::tools
