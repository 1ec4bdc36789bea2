// superslab/slab_pages.h: a slab's pages, seen through its bitmap.
//
// Responsibility  Which pages of a slab lie under free blocks alone (holes), and which of them were
//                 given back to the system.
// Contract        Pages are counted from the slab's base. A page is noted as purged in the record of
//                 its slot, and only while every block on it is free: taking one forgets it. Under the
//                 owner's slow-path lock, like the bitmap.
// Observable      purged_bytes(); purged_pages_are_free() for the walker.
// Composable      superslab/slab, os (page size). Used by slab, front (holes), observe.
#pragma once

#include "superslab/slab.h"

namespace hakmem {

// Pages first .. first + count - 1 of a slab.
struct PageRun {
  uint16_t first = 0;
  uint16_t count = 0;
};

// The next longest run of pages under free blocks, at or behind `from`, that has a page not purged
// yet; count 0 when there is none.
PageRun next_hole(const Slab& slab, uint32_t from);

// Takes the blocks on these pages, all of them free, as if somebody had allocated them.
void claim_blocks_on(Slab& slab, PageRun run);

// The reverse. `purged`: the system took the pages.
void return_blocks_on(Slab& slab, PageRun run, bool purged);

// A block is about to be used.
void forget_purged_pages(Slab& slab, uint32_t block);

Bytes purged_bytes(const Slab& slab);
bool purged_pages_are_free(const Slab& slab);

uintptr_t page_address(const Slab& slab, uint32_t page);
Bytes run_bytes(PageRun run);

}  // namespace hakmem
