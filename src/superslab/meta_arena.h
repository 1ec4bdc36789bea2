// superslab/meta_arena.h: memory for the allocator's own things.
//
// Responsibility  Cells for bitmaps, message nodes, stacks and caches, out of reach of user memory.
// Contract        Cells are powers of two from 64 B to kCellMax, aligned to min(size, page); a
//                 released cell is only ever reused for a cell of its size (type-stable). nullptr
//                 when the system refuses. Never called with a cache's or a shard's lock held.
//                 Lock rank kMeta.
// Observable      MetaStats {committed, in_use}.
// Composable      os/pages, os/lock. Used by pool, front, large. It lies above os, not in base,
//                 because it maps pages.
#pragma once

#include "base/units.h"
#include "os/lock.h"

namespace hakmem {

struct MetaStats {
  Bytes committed;
  Bytes in_use;
};

class MetaArena {
 public:
  static constexpr size_t kCellMin = 64;
  static constexpr size_t kCellMax = size_t{64} << 10;

  constexpr MetaArena() = default;

  // Contents are undefined when recycled, zero when fresh.
  void* allocate(Bytes size);
  void release(void* cell, Bytes size);

  MetaStats stats();
  os::Lock& lock() { return lock_; }

 private:
  static constexpr uint32_t kBuckets = 11;
  struct FreeCell {
    FreeCell* next;
  };

  bool extend(size_t cell_bytes);
  bool commit_step(size_t cell_bytes);

  os::Lock lock_{os::LockRank::kMeta};
  FreeCell* free_[kBuckets] = {};
  // Bump region [cursor_, committed_end_) inside the range that ends at range_end_.
  uintptr_t cursor_ = 0;
  uintptr_t committed_end_ = 0;
  uintptr_t range_end_ = 0;
  Bytes committed_;
  Bytes in_use_;
};

MetaArena& meta_arena();

}  // namespace hakmem
