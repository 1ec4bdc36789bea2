// Huge pages for a heap that fills what it gets.
#include "os/process.h"
#include "os/sandbox.h"
#include "config/config.h"
#include "superslab/huge_page.h"
#include "pool/memory_limit.h"
#include "pool/shared_pool.h"

namespace hakmem {

namespace {

// A shard that uses 16 MiB has at most an eighth more by what of its last huge page is not used yet.
constexpr uint32_t kDenseSlotsMin = (16u << 20) >> kSlotShift;

}  // namespace

// Without a lock.
bool SharedPool::grows_densely(const PoolShard& shard, const Request& request) const {
  if (request.density != Density::kDense) [[likely]] return false;
  return shard.active_slots() >= kDenseSlotsMin && shard.empty_slots() == 0 &&
         shard.free_slots() >= kSlotsPerSuperSlab;
}

// The shard's next SuperSlab, before anybody has a slot of it. The huge page comes with the first touch, as a rule by
// the program and not here; the one before has been touched by now.
void SharedPool::prepare_huge_page(PoolShard& shard) {
  const Config& options = config();
  if (options.thp != AutoSwitch::kAuto || options.decay_ms == 0 || !options.tiny_ss_shared) return;
  if (!superslabs_fit_huge_pages() || os::has_entered_sandbox()) return;
  if (memory_limit().spare(used()) < kSuperSlabBytes) return;
  // Who is refused memory meanwhile waits for it, and tries again.
  if (!purge_lock_.try_lock()) return;
  SuperSlab* super;
  SuperSlab* before;
  {
    os::LockGuard guard(shard.lock());
    super = shard.claim_unused();
    before = shard.asked_for_page();
  }
  if (super != nullptr) {
    if (before != nullptr) end_asking_for_huge_page(before);
    ask_for_huge_page(super);
    huge_pages_.add(1);
    os::LockGuard guard(shard.lock());
    shard.end_claim_of_unused(super, slab_clock(os::now_coarse()));
  }
  purge_lock_.unlock();
}

}  // namespace hakmem
