// The pool's way back to the system: claim, purge without a lock, publish.
#include "base/probe.h"
#include "os/latency.h"
#include "os/process.h"
#include "config/config.h"
#include "superslab/huge_page.h"
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
// Slots a shard may get back before somebody adds up what all shards have: 4 MiB of each are a small error.
constexpr uint32_t kSlotsPerLook = (4u << 20) >> kSlotShift;
constexpr uint32_t kSlotsPerLookUnderLimit = kSlotsPerLook / 8;

constexpr uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

// Runs of ones in `mask`, each purged by one call. Returns the slots the system took back.
uint32_t purge_runs(SuperSlab* super, uint32_t mask) {
  uint32_t purged = 0;
  while (mask != 0) {
    const uint32_t first = static_cast<uint32_t>(std::countr_zero(mask));
    const uint32_t length = static_cast<uint32_t>(std::countr_one(mask >> first));
    const uint32_t run = run_mask(first, length);
    void* begin = reinterpret_cast<void*>(super->base() + (size_t{first} << kSlotShift));
    if (purge_pages(super, begin, Bytes(size_t{length} << kSlotShift))) purged |= run;
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
  if (deadline_us == kNoDeadline) {
    purge_lock_.lock();
  } else if (!purge_lock_.try_lock()) {
    return Bytes(0);  // somebody else purges
  }
  const SlotCount empty = empty_slots();
  decays_.add(1);
  decay_.advance(now, empty, Milliseconds(decay_ms));
  const SlotCount allowed = decay_.allowed();
  const bool has_too_much = empty > allowed && now >= purge_again_;
  purge_lock_.unlock();
  return has_too_much ? purge_down_to(allowed, deadline_us) : Bytes(0);
}

// Under the shard's lock, after a release. The sums over all shards are other threads' memory: they are asked when
// this shard alone has more than may stay, else now and then, and at each release while the last look found more.
SharedPool::Surplus SharedPool::suspect_surplus(PoolShard& shard) const {
  const uint32_t empty = shard.empty_slots();
  const uint32_t share = larger(shard.active_slots(), kEmptySlotsFloor);
  if (config().decay_ms != Decay::kNever && shard.is_draining(kEmptySlotsFloor) &&
      empty > share / kDrainingShare + kSlotsPerSuperSlab) {
    return Surplus::kOfShard;
  }
  const uint32_t look_after = memory_limit().is_felt() ? kSlotsPerLookUnderLimit : kSlotsPerLook;
  const bool looks = shard.take_given(look_after) || empty > share + kSlotsPerSuperSlab ||
                     surplus_seen_.load(std::memory_order_relaxed);
  return looks ? Surplus::kPerhaps : Surplus::kNone;
}

// What decays on ticks alone would stay for ever in a program that frees nearly all it has and then hardly
// calls malloc again.
SlotCount SharedPool::empty_slots_max() const {
  const uint32_t active = active_slots().count();
  const size_t in_use = size_t{active} << kSlotShift;
  const size_t spare = memory_limit().spare(Bytes(in_use) + memory_limit().huge()).count() >> kSlotShift;
  size_t most = UINT32_MAX - kSlotsPerSuperSlab;
  if (config().decay_ms != Decay::kNever) most = larger(active, kEmptySlotsFloor);
  return SlotCount(static_cast<uint32_t>(spare < most ? spare : most));
}

// Of a shard that drains a quarter of its own bound stays: little of it will come back.
void SharedPool::purge_surplus(const PoolShard& shard, Surplus surplus) {
  ShardMask shards = kAllShards;
  SlotCount allowed;
  if (surplus == Surplus::kOfShard) {
    shards = 1u << (&shard - shards_);
    allowed = SlotCount(larger(shard.active_slots(), kEmptySlotsFloor) / kDrainingShare);
  } else {
    allowed = empty_slots_max();
    const bool is_surplus = empty_slots().count() > allowed.count() + kSlotsPerSuperSlab;
    if (surplus_seen_.load(std::memory_order_relaxed) != is_surplus) {
      surplus_seen_.store(is_surplus, std::memory_order_relaxed);
    }
    if (!is_surplus) return;
  }
  if (!purge_lock_.try_lock()) return;  // somebody else purges
  // Of a limit the pages are a part.
  const Reach reach = memory_limit().is_felt() ? Reach::kAll : Reach::kAllButPages;
  if (os::now_coarse() >= purge_again_) purge_one(shards, allowed, reach);
  purge_lock_.unlock();
}

// What was refused before is tried again.
Bytes SharedPool::purge_all() {
  forget_refusals();
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
    const Purged step = purge_one(kAllShards, allowed, allowed.count() == 0 ? Reach::kAll : Reach::kAllButPages);
    purge_lock_.unlock();
    total += Bytes(size_t{step.slots} << kSlotShift);
    if (!step.more) break;
    if (deadline_us != kNoDeadline && os::now_microseconds() >= deadline_us) break;
  }
  return total;
}

void SharedPool::forget_refusals() {
  for (PoolShard& shard : shards_) {
    os::LockGuard guard(shard.lock());
    shard.forget_refusals();
  }
}

uint32_t SharedPool::empty_slots_of(ShardMask shards) const {
  uint32_t slots = 0;
  for (; shards != 0; shards &= shards - 1) slots += shards_[std::countr_zero(shards)].empty_slots();
  return slots;
}

SlotCount SharedPool::active_slots() const {
  uint32_t slots = 0;
  for (const PoolShard& shard : shards_) slots += shard.active_slots();
  return SlotCount(slots);
}

// The one with the most EMPTY slots; nullptr when none has any.
PoolShard* SharedPool::fullest_shard(ShardMask shards) {
  PoolShard* fullest = nullptr;
  for (; shards != 0; shards &= shards - 1) {
    PoolShard& shard = shards_[std::countr_zero(shards)];
    if (shard.empty_slots() > (fullest == nullptr ? 0 : fullest->empty_slots())) fullest = &shard;
  }
  return fullest;
}

// Under purge_lock_. nullptr when they were taken meanwhile, or every SuperSlab with EMPTY slots refused or keeps them.
SuperSlab* SharedPool::claim_for_purge(ShardMask shards, SlotCount allowed, Reach reach, uint32_t* claimed) {
  const uint32_t clock = slab_clock(os::now_coarse());
  bool has_refused = false;
  ShardMask untried = shards;
  while (PoolShard* shard = fullest_shard(untried)) {
    untried &= ~(1u << (shard - shards_));
    os::LockGuard guard(shard->lock());
    const SuperSlab* avoided = reach == Reach::kAll ? nullptr : shard->page_in_filling(clock);
    SuperSlab* super = shard->next_to_purge(avoided);
    if (super == nullptr) {
      has_refused |= shard->has_refused(avoided);
      continue;
    }
    const uint32_t empty = empty_slots_of(shards);
    if (empty <= allowed.count()) return nullptr;
    *claimed = shard->claim_empty(super, empty - allowed.count());
    return super;
  }
  if (has_refused) {
    // They are tried again after a pause.
    forget_refusals();
    purge_again_ = os::now_coarse() + kRefusalPause;
  }
  return nullptr;
}

// Under purge_lock_.
SharedPool::Purged SharedPool::purge_one(ShardMask shards, SlotCount allowed, Reach reach) {
  if (empty_slots_of(shards) <= allowed.count()) return Purged{0, false};
  uint32_t claimed = 0;
  SuperSlab* super = claim_for_purge(shards, allowed, reach, &claimed);
  if (super == nullptr) return Purged{0, false};
  purges_.add(1);
  return purge_claimed(super, claimed);
}

SharedPool::Purged SharedPool::purge_claimed(SuperSlab* super, uint32_t claimed) {
  const os::Stopwatch stopwatch(os::Cause::purge);
  const uint32_t purged = purge_runs(super, claimed);
  const uint32_t refused = claimed & ~purged;
  HAKMEM_PROBE(purge, super->base(), purged, refused);
  {
    PoolShard& shard = shard_of(super);
    os::LockGuard guard(shard.lock());
    shard.end_claim(super, purged, refused);
  }
  if (refused != 0) purge_refusals_.add(1);
  const uint32_t count = static_cast<uint32_t>(std::popcount(purged));
  purged_slots_.add(count);
  decay_.note_purged(SlotCount(count));
  return Purged{count, true};
}

}  // namespace hakmem
