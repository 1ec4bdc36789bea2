// observe/page_figures.h: the figures that the stats page shows.
//
// Responsibility  The snapshot's sums, and what every box counts beside them.
// Contract        Cheap: what it costs grows with the number of caches, and with that of partly free slabs up
//                 to 8 192 a cache; beyond that free blocks are estimated. Takes the snapshot's locks. The slots add up: small_live + cached + free + tail +
//                 huge_in_slots == active_slots * 64 KiB, but for what moves meanwhile.
// Observable      PageTotals, PageClass.
// Composable      snapshot, and everything below. Used by stats_page, tests.
#pragma once

#include <cstdint>

#include "os/latency.h"
#include "config/size_class.h"
#include "observe/snapshot.h"

namespace hakmem {

struct PageTotals {
#define HAKMEM_TOTAL(name, kind, unit, help) uint64_t name;
#include "observe/page_totals.def"
};

struct PageClass {
  uint64_t block_bytes;
  uint64_t slab_bytes;  // of one slab
  uint64_t slabs;
  uint64_t blocks;
  uint64_t free_blocks;    // in slabs
  uint64_t cached_blocks;  // on stacks
};

struct PageLatencies {
  // Row by row: below how many nanoseconds, then one count for each cause.
  uint64_t rows[os::kLatencyBuckets][1 + os::kCauses];
  uint64_t total_ns[os::kCauses];
  uint64_t longest_ns[os::kCauses];
};

struct PageFigures {
  PageTotals totals;
  PageClass classes[kClasses];
  PageLatencies latencies;
  HeapSnapshot heap;  // what they are made of; not shown as such
};

// All but what the page says of itself.
void measure(PageFigures* out);

}  // namespace hakmem
