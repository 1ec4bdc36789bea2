// front/hole_purge.h: pages under free blocks, in slabs that still have live ones, go back.
//
// Responsibility  Walk the SuperSlabs and give their holes back to the system; release kept slabs that
//                 nobody came back for.
// Contract        Claims first: the blocks on a hole are taken out of the bitmap under their cache's lock,
//                 the system is called with none of those held, then the blocks go back. A claimed
//                 block has bit 0, so its slab is not released meanwhile; it may be adopted. Claims exist
//                 only under lock(): who holds it, and every cache's lock, sees none. Quiet: only slabs
//                 whose free count is what it was when a pass last came by. Lock rank kHoles.
// Observable      purged(); HeapSnapshot::purged_in_slabs.
// Composable      cache_list, ThreadCache, slab_pages. Used by heap (upkeep, trim, lifecycle).
#pragma once

#include "os/lock.h"
#include "front/thread_cache.h"

namespace hakmem {

class HolePurge {
 public:
  constexpr HolePurge() = default;

  // Goes on with a pass, or begins one when half a decay time has passed since the last, until
  // `deadline_us` of os::now_microseconds(). Does not wait for somebody else's. Returns what went back.
  Bytes run(Milliseconds now, uint64_t deadline_us);

  // Every hole there is now.
  Bytes purge_all();

  struct Claims;

  Bytes purged() const { return Bytes(purged_bytes_.load(std::memory_order_relaxed)); }
  os::Lock& lock() { return lock_; }

 private:
  SuperSlab* next_superslab();
  Bytes visit(SuperSlab& super, Holes which);
  Bytes purge_claimed(const Claims& claims);

  os::Lock lock_{os::LockRank::kHoles};
  // Below: under lock_. Where the pass is.
  uint32_t reservation_ = 0;
  size_t offset_ = 0;
  bool refused_ = false;  // memory is locked: this pass and the next ones would be in vain
  // sync: none, a hint. When the next pass begins; 0 while there is one.
  std::atomic<uint64_t> next_pass_ms_{0};
  std::atomic<size_t> purged_bytes_{0};
};

HolePurge& hole_purge();

}  // namespace hakmem
