// tools/live/stat.h: the figures of one process in three forms.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "latency.h"
#include "ledger.h"
#include "page.h"

namespace hakmem::tools {

struct Reading {
  ProcessInfo process;
  StatsPage page;
  Ledger ledger;
  // All that was ever timed, or what was in `latency_s` seconds, where that is not 0.
  LatencyFigures latency;
  double latency_s = 0;
};

// Asks for fresh figures first, as long as the process answers within `wait_ms`.
Reading take_reading(int pid, unsigned wait_ms = 250);

// Figures of one class.
struct ClassFigures {
  std::uint64_t block_bytes = 0;
  std::uint64_t slabs = 0;
  std::uint64_t blocks = 0;
  std::uint64_t free_blocks = 0;
  std::uint64_t cached_blocks = 0;

  std::uint64_t live() const { return blocks - free_blocks - cached_blocks; }
  // Bytes in slabs that the program does not hold.
  std::uint64_t idle_bytes() const { return (free_blocks + cached_blocks) * block_bytes; }
};
// Those with slabs, the most idle bytes first.
std::vector<ClassFigures> classes_in_use(const StatsPage& page);

// What sizes of blocks up to 2 MiB in use were rounded up by. Nobody records what was asked for: a class holds
// sizes from the class below it on, which gives the most it can be (but for aligned requests), and about half of
// that if sizes are spread evenly.
struct Rounding {
  std::uint64_t estimate = 0;
  std::uint64_t at_most = 0;
};
Rounding rounding_of(const StatsPage& page);

std::string stat_text(const Reading& reading);
nlohmann::ordered_json stat_json(const Reading& reading);
// Prometheus' text format, with the "# EOF" of OpenMetrics.
std::string stat_openmetrics(const Reading& reading);

}  // namespace hakmem::tools
