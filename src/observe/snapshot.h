// observe/snapshot.h: the heap's memory, added up.
//
// Responsibility  One consistent sum over slots, slabs, caches, huge blocks and metadata.
// Contract        Takes the list's and every cache's lock, one after the other as fork does, so the
//                 bitmaps stand still; what live threads push and pop meanwhile moves between live
//                 and cached. Blocks in messages count as live. Allocates nothing. All zero in a signal handler
//                 that interrupted the allocator.
// Observable      HeapSnapshot.
// Composable      Everything below. Used by api (mallinfo, malloc_info, malloc_stats) and tests.
#pragma once

#include "config/size_class.h"
#include "superslab/meta_arena.h"
#include "pool/shared_pool.h"
#include "large/huge.h"

namespace hakmem {

struct ClassSnapshot {
  uint64_t slabs;
  uint64_t blocks;
  uint64_t free_blocks;  // in bitmaps
};

struct HeapSnapshot {
  Bytes committed;  // readable and writable slots
  PoolStats pool;
  HugeStats huge;
  MetaStats meta;
  Bytes live;           // given to the program, huge blocks included
  Bytes cached;         // on the stacks of caches
  Bytes free_in_slabs;  // in bitmaps
  Bytes purged_in_slabs;  // pages of those that went back to the system
  uint64_t caches;
  uint64_t parked_caches;
  ClassSnapshot classes[kClasses];

  // What the system may have pages behind: (active + empty) slots but for what was purged in slabs, huge
  // blocks, metadata.
  Bytes footprint() const;
};

void take_snapshot(HeapSnapshot* out);

}  // namespace hakmem
