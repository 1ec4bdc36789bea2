// ThreadCache: pages under free blocks, on their way to the system.
#include "os/process.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

namespace hakmem {

// Under lock(), for a slab on one of the lists. A program that is at work on it will touch these pages
// again.
bool ThreadCache::is_quiet(Slab* slab, Holes which) {
  const bool as_before = slab->seen_free == slab->free_count;
  slab->seen_free = static_cast<uint16_t>(slab->free_count);
  return which == Holes::kAll || as_before;
}

uint32_t ThreadCache::claim_holes(Slab* slab, Holes which, HoleClaim* claims, uint32_t room) {
  const size_t free_bytes = slab->free_count * block_bytes(slab->class_index()).count();
  if (!is_quiet(slab, which) || free_bytes < os::page_size().count()) return 0;
  uint32_t count = 0;
  uint32_t page = 0;
  while (count < room) {
    const PageRun run = next_hole(*slab, page);
    if (run.count == 0) break;
    claims[count++] = HoleClaim{slab, run};
    page = uint32_t{run.first} + run.count;
  }
  for (uint32_t i = 0; i < count; ++i) claim_blocks_on(*slab, claims[i].run);
  if (count != 0 && slab->free_count == 0) unlist(slab);
  return count;
}

bool ThreadCache::give_up_kept(Slab* slab) {
  ClassState& state = state_of(slab->class_index());
  if (state.kept != slab || !slab->all_free() || slab->seen_free != slab->free_count) return false;
  state.kept = nullptr;
  unlist(slab);
  detach(slab);
  return true;
}

// The slab may have been adopted since.
void ThreadCache::return_hole(const HoleClaim& claim, bool purged) {
  Slab* slab = claim.slab;
  // A turn fails only when the slab was adopted in between, and each adoption needs a refill.
  for (;;) {
    ThreadCache* owner = cache_list().find(tag_owner(registry().tag_of(slab->base)));
    os::LockGuard guard(owner->lock_);
    if (tag_owner(registry().tag_of_acquire(slab->base)) == owner->id_) {
      if (!owner->take_back(claim, purged)) return;
      break;
    }
  }
  slab->next = nullptr;
  release_chain(slab);
}

// Under lock(). True when the slab is detached and to be released once the lock is free.
bool ThreadCache::take_back(const HoleClaim& claim, bool purged) {
  Slab* slab = claim.slab;
  return_blocks_on(*slab, claim.run, purged);
  slab->seen_free = static_cast<uint16_t>(slab->free_count);
  // Blocks whose pages are there are used before these.
  if (slab->listed) {
    unlist(slab);
    list(slab, false);
  }
  return after_put(slab);
}

}  // namespace hakmem
