// The pool's way back to the system: claim, purge without a lock, publish.
#include "os/pages.h"
#include "os/process.h"
#include "config/config.h"
#include "pool/memory_limit.h"
#include "pool/shared_pool.h"

namespace hakmem {

namespace {

constexpr uint64_t kNoDeadline = UINT64_MAX;
constexpr Milliseconds kRefusalPause{1000};
// Small heaps keep what they have for the decay time: 16 MiB.
constexpr uint32_t kEmptySlotsFloor = (16u << 20) >> kSlotShift;
// Of a program that has released more slots in a row than it still has: little will come back.
constexpr uint32_t kDrainingShare = 4;

// Runs of ones in `mask`, each purged by one call. Returns the slots the system took back.
uint32_t purge_runs(const SuperSlab& super, uint32_t mask) {
  uint32_t purged = 0;
  while (mask != 0) {
    const uint32_t first = static_cast<uint32_t>(std::countr_zero(mask));
    const uint32_t length = static_cast<uint32_t>(std::countr_one(mask >> first));
    const uint32_t run = run_mask(first, length);
    void* begin = reinterpret_cast<void*>(super.base() + (size_t{first} << kSlotShift));
    if (os::purge(begin, Bytes(size_t{length} << kSlotShift))) purged |= run;
    mask &= ~run;
  }
  return purged;
}

}  // namespace

Bytes SharedPool::decay(Milliseconds now, uint64_t deadline_us) {
  // sync: decay turn. Whoever moves the time forward purges; the others have nothing to do.
  uint64_t due = next_decay_ms_.load(std::memory_order_relaxed);
  if (now.count() < due) return Bytes(0);
  const uint64_t decay_ms = config().decay_ms;
  if (decay_ms == Decay::kNever) return Bytes(0);
  const uint64_t next = now.count() + decay_ms / Decay::kEpochs + 1;
  if (!next_decay_ms_.compare_exchange_strong(due, next, std::memory_order_relaxed,
                                              std::memory_order_relaxed)) {
    return Bytes(0);
  }
  SlotCount allowed;
  {
    os::LockGuard guard(lock_);
    counters_.decays.add(1);
    decay_.advance(now, empty_slots(), Milliseconds(decay_ms));
    allowed = decay_.allowed();
    if (empty_slots() <= allowed || now < purge_again_) return Bytes(0);
  }
  return purge_down_to(allowed, deadline_us);
}

// Under lock_. What decays on ticks alone would stay for ever in a program that frees nearly all it has
// and then hardly calls malloc again.
SlotCount SharedPool::empty_slots_max() const {
  const size_t in_use = size_t{active_slots().count()} << kSlotShift;
  const size_t spare = memory_limit().spare(Bytes(in_use) + memory_limit().huge()).count() >> kSlotShift;
  size_t most = UINT32_MAX - kSlotsPerSuperSlab;
  if (config().decay_ms != Decay::kNever) {
    const bool draining =
        releases_in_row_ > kEmptySlotsFloor && releases_in_row_ > active_slots().count();
    const uint32_t share = draining ? active_slots().count() / kDrainingShare : active_slots().count();
    const uint32_t floor = draining ? kEmptySlotsFloor / kDrainingShare : kEmptySlotsFloor;
    most = share > floor ? share : floor;
  }
  return SlotCount(static_cast<uint32_t>(spare < most ? spare : most));
}

void SharedPool::purge_surplus() {
  SlotCount allowed;
  {
    os::LockGuard guard(lock_);
    if (os::now_coarse() < purge_again_) return;
    allowed = empty_slots_max();
  }
  if (!purge_lock_.try_lock()) return;  // somebody else purges
  purge_one(allowed);
  purge_lock_.unlock();
}

// What was refused before is tried again.
Bytes SharedPool::purge_all() {
  {
    os::LockGuard guard(lock_);
    forget_refusals();
  }
  return purge_down_to(SlotCount(0), kNoDeadline);
}

// Each turn claims the EMPTY slots of one SuperSlab; one that refuses is passed over from then on, so
// the loop ends.
Bytes SharedPool::purge_down_to(SlotCount allowed, uint64_t deadline_us) {
  Bytes total;
  for (;;) {
    // One SuperSlab at a time: whoever waits for the claims waits for one call.
    if (deadline_us == kNoDeadline) {
      purge_lock_.lock();
    } else if (!purge_lock_.try_lock()) {
      break;  // somebody else purges
    }
    const Purged step = purge_one(allowed);
    purge_lock_.unlock();
    total += Bytes(size_t{step.slots} << kSlotShift);
    if (!step.more) break;
    if (deadline_us != kNoDeadline && os::now_microseconds() >= deadline_us) break;
  }
  return total;
}

// Under lock_. The longest EMPTY run first, so that one call gives back as much as possible. Passes over
// those that refused; when there are no others, they are tried again after a pause.
SuperSlab* SharedPool::next_to_purge() {
  for (uint64_t lists = by_empty_.occupied; lists != 0;) {
    const uint32_t longest = 63u - static_cast<uint32_t>(std::countl_zero(lists));
    lists &= ~(uint64_t{1} << longest);
    SuperSlab* super = by_empty_.lists[longest];
    while (super != nullptr && super->refused_purge) super = super->empty_link.next;
    if (super != nullptr) return super;
  }
  forget_refusals();
  purge_again_ = os::now_coarse() + kRefusalPause;
  return nullptr;
}

// Under lock_.
void SharedPool::forget_refusals() {
  registry().for_each_superslab([](SuperSlab& super) { super.refused_purge = false; });
}

SharedPool::Purged SharedPool::purge_one(SlotCount allowed) {
  SuperSlab* super;
  uint32_t claimed;
  {
    os::LockGuard guard(lock_);
    if (empty_slots() <= allowed) return Purged{0, false};
    super = next_to_purge();
    if (super == nullptr) return Purged{0, false};
    claimed = super->mask(SlotState::kEmpty);
    const uint32_t surplus = (empty_slots() - allowed).count();
    while (static_cast<uint32_t>(std::popcount(claimed)) > surplus) {
      claimed &= claimed - 1;  // keep the low ones: they are reused first
    }
    super->move(PoolKey(), claimed, SlotState::kEmpty, SlotState::kActive);
    counters_.purges.add(1);
    count_slots(0u - static_cast<uint32_t>(std::popcount(claimed)), 0);
    reindex(super);
  }
  return purge_claimed(super, claimed);
}

SharedPool::Purged SharedPool::purge_claimed(SuperSlab* super, uint32_t claimed) {
  const uint32_t purged = purge_runs(*super, claimed);
  const uint32_t refused = claimed & ~purged;
  os::LockGuard guard(lock_);
  if (purged != 0) super->move(PoolKey(), purged, SlotState::kActive, SlotState::kUnused);
  if (refused != 0) {
    super->move(PoolKey(), refused, SlotState::kActive, SlotState::kEmpty);
    count_slots(static_cast<uint32_t>(std::popcount(refused)), 0);
    counters_.purge_refusals.add(1);
    super->refused_purge = true;
  }
  if (super->mask(SlotState::kActive) == 0) super->tenant = kNoOwner;
  reindex(super);
  const uint32_t count = static_cast<uint32_t>(std::popcount(purged));
  counters_.purged_slots.add(count);
  decay_.note_purged(SlotCount(count));
  return Purged{count, true};
}

}  // namespace hakmem
