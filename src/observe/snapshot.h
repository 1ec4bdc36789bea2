// observe/snapshot.h: the heap's memory, added up.
//
// Responsibility  One sum over slots, slabs, caches, huge blocks and metadata: malloc's own reports and the stats
//                 page show the same figures.
// Contract        Takes one cache's lock at a time, while its partly free slabs are looked through, and one shard's
//                 of the pool. Exact while nobody allocates. What others do meanwhile falls between the figures, and
//                 is cut off where it would make one negative. Blocks in messages count as live, and so do those
//                 whose pages are just being given back. Allocates nothing.
// Observable      HeapSnapshot.
// Composable      Everything below. Used by page_figures, api (mallinfo, malloc_info, malloc_stats) and tests.
#pragma once

#include "config/size_class.h"
#include "superslab/meta_arena.h"
#include "pool/shared_pool.h"
#include "large/huge.h"

namespace hakmem {

struct ClassSnapshot {
  uint64_t free_blocks;    // in slabs
  uint64_t cached_blocks;  // on stacks, when they last met a slow path
};

// As small as it can be: it lies on stacks.
struct HeapSnapshot {
  Bytes committed;  // readable and writable slots
  PoolOverview pool;
  HugeStats huge;
  MetaStats meta;
  Bytes live;           // given to the program, huge blocks included
  Bytes cached;         // on the stacks of caches
  Bytes free_in_slabs;
  Bytes purged_in_slabs;  // pages of those that went back to the system
  uint64_t caches;
  uint64_t parked_caches;
  ClassSnapshot classes[kClasses];

  uint64_t blocks(uint32_t size_class) const {
    return uint64_t{pool.slabs[size_class]} * class_info(ClassIndex(size_class)).blocks;
  }

  // What the system may have pages behind: (active + empty) slots but for what was purged in slabs, huge
  // blocks, metadata.
  Bytes footprint() const;
};

// All zero in a signal handler that interrupted the allocator.
void take_snapshot(HeapSnapshot* out);

// The same for who is inside the allocator, with no lock. At most `looks` slabs of a cache are looked at; those behind
// are taken to be as these.
void add_up_heap(HeapSnapshot* out, uint32_t looks);

}  // namespace hakmem
