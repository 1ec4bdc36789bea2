#include "pool/shared_pool.h"

#include <string.h>

#include "base/probe.h"
#include "os/latency.h"
#include "os/process.h"
#include "superslab/canary.h"
#include "superslab/meta_arena.h"
#include "pool/memory_limit.h"

namespace hakmem {

namespace {

constinit SharedPool g_pool;

// Another shard has much to spare when it holds this many EMPTY slots, and half as many as it uses; or so
// much without pages that it will not come to that again.
constexpr uint32_t kDrainedSlots = (4u << 20) >> kSlotShift;
constexpr uint32_t kVastSlots = (64u << 20) >> kSlotShift;

bool is_drained(const PoolShard& shard) {
  const uint32_t active = shard.active_slots();
  return shard.empty_slots() > kDrainedSlots + active / 2 || shard.free_slots() > kVastSlots + active;
}

}  // namespace

SharedPool& pool() { return g_pool; }

SharedPool::Acquired SharedPool::acquire(ClassIndex size_class, OwnerId owner, SuperSlab* near,
                                         SlotCount alignment, Growth growth, Density density) {
  const os::Stopwatch stopwatch(os::Cause::acquire);
  const Bytes bitmap_size = bitmap_bytes(size_class);
  uint64_t* bitmap = nullptr;
  if (bitmap_size.count() != 0) {
    bitmap = static_cast<uint64_t*>(meta_arena().allocate(bitmap_size));
    if (bitmap == nullptr) return Acquired{};
    memset(bitmap, 0xff, bitmap_size.count());
  }
  const uint32_t born = slab_clock(os::now_coarse());
  const Acquired got = find_slab(Request{size_class, owner, near, alignment, bitmap, born, density}, growth);
  if constexpr (kHardened) {
    if (got.slab != nullptr) prepare_blocks(*got.slab, got.zero);
  }
  if (got.slab == nullptr && bitmap != nullptr) meta_arena().release(bitmap, bitmap_size);
  if (got.slab != nullptr) HAKMEM_PROBE(slab_acquire, got.slab->base, size_class.count(), owner.count());
  return got;
}

// Each turn finds a run in what was committed, or gets the shard one more SuperSlab, or waits once for a
// purge to give up its claims, or ends. A thread that took from other shards before its own has grown would
// meet their threads again at each release.
SharedPool::Acquired SharedPool::find_slab(const Request& request, Growth growth) {
  PoolShard& home = home_of(request.owner);
  bool waited_for_purge = false;
  for (;;) {
    if (grows_densely(home, request)) prepare_huge_page(home);
    if (const Acquired got = take_from(home, request); got.slab != nullptr) return got;
    const bool is_short = memory_limit().is_near(used());
    const Acquired spared =
        take_from_others(home, request, is_short ? Others::kAny : Others::kDrained);
    if (spared.slab != nullptr) return spared;
    if (growth == Growth::kAllowed) {
      if (open_fresh(home)) continue;
      const Acquired got =
          waited_for_purge ? take_from_any(request) : take_from_others(home, request, Others::kAny);
      if (got.slab != nullptr) return got;
    }
    misses_.fetch_add(1, std::memory_order_relaxed);
    if (growth == Growth::kForbidden || waited_for_purge) return Acquired{};
    // EMPTY slots that are no run long enough.
    if (is_short) purge_all();
    if (grow()) continue;
    os::LockGuard wait(purge_lock_);
    waited_for_purge = true;
  }
}

SharedPool::Acquired SharedPool::take_from(PoolShard& shard, const Request& request) {
  os::LockGuard guard(shard.lock());
  return take_from_held(shard, request);
}

// Before a request is refused: at one moment, for what one shard gets back another may give away. No slot is too good
// for it.
SharedPool::Acquired SharedPool::take_from_any(const Request& request) {
  const AllShards all_shards(*this);
  Request from_everywhere = request;
  from_everywhere.density = Density::kDense;
  for (PoolShard& shard : shards_) {
    if (const Acquired got = take_from_held(shard, from_everywhere); got.slab != nullptr) return got;
  }
  shared_fails_.add(1);
  return Acquired{};
}

// Under the shard's lock.
SharedPool::Acquired SharedPool::take_from_held(PoolShard& shard, const Request& request) {
  const bool is_near = request.near != nullptr && &shard_of(request.near) == &shard;
  const SuperSlab* avoided = request.density == Density::kDense ? nullptr : shard.page_in_filling(request.born);
  const Run run = shard.find_run(class_info(request.size_class).slots, request.alignment.count(),
                                 is_near ? request.near : nullptr, request.owner, avoided);
  if (run.super == nullptr) return Acquired{};
  const bool zero = shard.claim(run);
  shard.counters().acquires.add(1);
  shard.note_acquire();
  shard.count_slab(request.size_class);
  note_moved(shard);
  return Acquired{format(run, request), zero};
}

SharedPool::Acquired SharedPool::take_from_others(const PoolShard& home, const Request& request,
                                                  Others others) {
  for (PoolShard& shard : shards_) {
    if (&shard == &home || (others == Others::kDrained && !is_drained(shard))) continue;
    if (const Acquired got = take_from(shard, request); got.slab != nullptr) return got;
  }
  return Acquired{};
}

void SharedPool::detach(Slab* slab) {
  if constexpr (kHardened) require_untouched(*slab);
  registry().set_tags(PoolKey(), slab->base, slab->slot_count(), kUnusedTag);
}

void SharedPool::release(Slab* slab) {
  DCHECK(slab->head_distance == 0 && slab->all_free());
  DCHECK(registry().tag_of(slab->base) == kUnusedTag);
  const uintptr_t base = slab->base;
  const SlotCount slots = slab->slot_count();
  const ClassIndex size_class = slab->class_index();
  SuperSlab* super = registry().superslab_of(base);
  PoolShard& shard = shard_of(super);
  const uint32_t first = static_cast<uint32_t>((base - super->base()) >> kSlotShift);
  if (slab->bitmap != &slab->inline_word) {
    meta_arena().release(slab->bitmap, bitmap_bytes(slab->class_index()));
  }
  for (uint32_t i = 1; i < slots.count(); ++i) {
    slab[i].head_distance = 0;
    slab[i].purged_pages = 0;
  }
  memset(static_cast<void*>(slab), 0, sizeof(Slab));
  Surplus surplus;
  {
    os::LockGuard guard(shard.lock());
    shard.give_back(super, run_mask(first, slots.count()));
    shard.counters().releases.add(1);
    shard.note_release();
    shard.forget_slab(size_class);
    note_moved(shard);
    surplus = suspect_surplus(shard);
  }
  HAKMEM_PROBE(slab_release, base, size_class.count(), static_cast<uint32_t>(surplus));
  if (surplus != Surplus::kNone) [[unlikely]] purge_surplus(shard, surplus);
}

bool SharedPool::resize(Slab* slab, ClassIndex new_class) {
  DCHECK(is_large(slab->class_index()) && is_large(new_class));
  const uint32_t old_slots = slab->slots;
  const uint32_t new_slots = class_info(new_class).slots;
  SuperSlab* super = registry().superslab_of(slab->base);
  const uint32_t first = static_cast<uint32_t>((slab->base - super->base()) >> kSlotShift);
  if (first + new_slots > kSlotsPerSuperSlab) return false;
  const OwnerId owner = tag_owner(registry().tag_of(slab->base));
  PoolShard& shard = shard_of(super);
  os::LockGuard guard(shard.lock());
  shard.counters().resizes.add(1);
  if (new_slots > old_slots) {
    const Run tail{super, first + old_slots, new_slots - old_slots};
    if ((super->free_mask() & tail.mask()) != tail.mask()) return false;
    shard.claim(tail);
    for (uint32_t i = old_slots; i < new_slots; ++i) {
      slab[i].head_distance = static_cast<uint8_t>(i);
    }
    registry().set_tags(PoolKey(), tail.base(), SlotCount(tail.slots), kInteriorTag);
  } else if (new_slots < old_slots) {
    const Run tail{super, first + new_slots, old_slots - new_slots};
    registry().set_tags(PoolKey(), tail.base(), SlotCount(tail.slots), kUnusedTag);
    for (uint32_t i = new_slots; i < old_slots; ++i) slab[i].head_distance = 0;
    shard.give_back(super, tail.mask());
  }
  note_moved(shard);
  shard.forget_slab(slab->class_index());
  shard.count_slab(new_class);
  slab->slots = static_cast<uint8_t>(new_slots);
  slab->size_class = static_cast<uint8_t>(new_class.count());
  registry().set_tags(PoolKey(), slab->base, SlotCount(1), make_tag(owner, new_class));
  return true;
}

void SharedPool::change_owner(Slab* slab, OwnerId owner) {
  DCHECK(is_large(slab->class_index()));
  registry().set_tags(PoolKey(), slab->base, SlotCount(1), make_tag(owner, slab->class_index()));
}

void SharedPool::adopt(Slab* slab, OwnerId owner) {
  HAKMEM_PROBE(slab_adopt, slab->base, slab->size_class, owner.count());
  DCHECK(!is_large(slab->class_index()));
  registry().set_tags(PoolKey(), slab->base, slab->slot_count(),
                      make_tag(owner, slab->class_index()));
}

bool SharedPool::open_fresh(PoolShard& shard) {
  if (!has_fresh_.load(std::memory_order_relaxed)) return false;
  os::LockGuard turn(grow_lock_);
  if (fresh_.count == 0) return false;
  os::LockGuard guard(shard.lock());
  open_fresh_held(shard);
  return true;
}

// Under grow_lock_ and the shard's. There is one.
void SharedPool::open_fresh_held(PoolShard& shard) {
  shard.open(fresh_.first, fresh_.base, static_cast<uint32_t>(&shard - shards_));
  ++fresh_.first;
  --fresh_.count;
  fresh_.base += kSuperSlabBytes.count();
  has_fresh_.store(fresh_.count != 0, std::memory_order_relaxed);
}

bool SharedPool::grow() {
  const os::Stopwatch stopwatch(os::Cause::growth);
  os::LockGuard turn(grow_lock_);
  return fresh_.count != 0 || keep_fresh(registry().commit_next());  // somebody else grew meanwhile
}

// As a whole or not at all.
SharedPool::Grown SharedPool::grow_by(Bytes size) {
  os::LockGuard turn(grow_lock_);
  if (fresh_.count != 0) return Grown::kByOthers;
  return keep_fresh(registry().commit_exactly(size)) ? Grown::kAsAsked : Grown::kRefused;
}

// Under grow_lock_.
bool SharedPool::keep_fresh(const SuperSlabRange& range) {
  if (range.count == 0) return false;
  fresh_ = range;
  has_fresh_.store(true, std::memory_order_relaxed);
  grows_.add(1);
  return true;
}

// Makes a slab of the run, under the shard's lock.
Slab* SharedPool::format(const Run& run, const Request& request) {
  const ClassIndex size_class = request.size_class;
  const OwnerId owner = request.owner;
  const SizeClass& info = class_info(size_class);
  Slab* slab = &run.super->slabs[run.first];
  slab->inline_word = ~uint64_t{0};
  slab->bitmap = request.bitmap != nullptr ? request.bitmap : &slab->inline_word;
  slab->base = run.base();
  slab->blocks = info.blocks;
  slab->free_count = info.blocks;
  slab->size_class = static_cast<uint8_t>(size_class.count());
  slab->slots = static_cast<uint8_t>(run.slots);
  slab->born = request.born;
  if (const uint32_t rest = info.blocks % 64u; rest != 0) {
    slab->bitmap[slab->words() - 1] = (uint64_t{1} << rest) - 1;
  }
  // Eight colours: neighbouring slabs start their refills in different cache sets.
  slab->start_word = static_cast<uint16_t>(run.first % 8u * slab->words() / 8u);
  // Of the other slots' records only this and the purged pages are ever not zero.
  for (uint32_t i = 1; i < run.slots; ++i) slab[i].head_distance = static_cast<uint8_t>(i);
  if (is_large(size_class)) {
    if (run.slots > 1) {
      registry().set_tags(PoolKey(), run.base() + kSlotBytes.count(), SlotCount(run.slots - 1),
                          kInteriorTag);
    }
    registry().set_tags(PoolKey(), run.base(), SlotCount(1), make_tag(owner, size_class));
  } else {
    registry().set_tags(PoolKey(), run.base(), SlotCount(run.slots), make_tag(owner, size_class));
  }
  return slab;
}

// An ACTIVE slot without a tag was on its way from somebody. A slab with every bit 1 that is on no list
// was on its way to somebody.
void SharedPool::repair_in_child() {
  const AllShards all_shards(*this);
  for (PoolShard& shard : shards_) shard.forget_all_slabs();
  registry().for_each_superslab([this](SuperSlab& super) {
    uint32_t lost = 0;
    for (uint32_t slot = 0; slot < kSlotsPerSuperSlab; ++slot) {
      const uintptr_t base = super.base() + (size_t{slot} << kSlotShift);
      const Slab& slab = super.slabs[slot];
      const uint32_t tag = registry().tag_of(base);
      if (tag == kUnusedTag) lost |= 1u << slot;
      if (tag_owner(tag).count() > kOwnerMax || tag == kUnusedTag || slab.head_distance != 0) continue;
      if (!slab.all_free() || slab.listed) {
        shard_of(&super).count_slab(slab.class_index());
        continue;
      }
      lost |= run_mask(slot, slab.slots);
      if (slab.bitmap != &slab.inline_word) {
        meta_arena().release(slab.bitmap, bitmap_bytes(slab.class_index()));
      }
    }
    lost &= super.mask(SlotState::kActive);
    if (lost == 0) return;
    for (uint32_t slot = 0; slot < kSlotsPerSuperSlab; ++slot) {
      if ((lost >> slot & 1) == 0) continue;
      const uintptr_t base = super.base() + (size_t{slot} << kSlotShift);
      registry().set_tags(PoolKey(), base, SlotCount(1), kUnusedTag);
      memset(static_cast<void*>(&super.slabs[slot]), 0, sizeof(Slab));
    }
    shard_of(&super).give_back(&super, lost);
  });
}

Bytes SharedPool::used() const {
  const uint32_t slots = active_slots().count() + empty_slots().count();
  return Bytes(size_t{slots} << kSlotShift) + memory_limit().huge();
}

// Under the shard's lock.
void SharedPool::note_moved(PoolShard& shard) {
  if (shard.take_much_moved()) notice_.store(true, std::memory_order_relaxed);
}

SharedPool::AllShards::AllShards(SharedPool& pool) : pool_(pool) {
  pool_.grow_lock_.lock();
  for (PoolShard& shard : pool_.shards_) shard.lock().lock();
}

SharedPool::AllShards::~AllShards() {
  for (PoolShard& shard : pool_.shards_) shard.lock().unlock();
  pool_.grow_lock_.unlock();
}

PoolCounters SharedPool::counters() const {
  PoolCounters sum{};
  for (const PoolShard& shard : shards_) {
    sum.acquires += shard.counters().acquires.get();
    sum.releases += shard.counters().releases.get();
    sum.resizes += shard.counters().resizes.get();
  }
  sum.misses = misses_.load(std::memory_order_relaxed);
  sum.purges = purges_.get();
  sum.purged_slots = purged_slots_.get();
  sum.purge_refusals = purge_refusals_.get();
  sum.grows = grows_.get();
  sum.shared_fails = shared_fails_.get();
  sum.decays = decays_.get();
  sum.huge_pages = huge_pages_.get();
  return sum;
}

void SharedPool::overview(PoolOverview* out) {
  const PoolCounters counted = counters();
  const uint64_t slots = registry().committed().count() >> kSlotShift;
  const uint64_t active = active_slots().count();
  const uint64_t empty = empty_slots().count();
  out->stats = PoolStats{slots > active + empty ? slots - active - empty : 0,
                         active,
                         empty,
                         counted.acquires,
                         counted.releases,
                         counted.purged_slots,
                         counted.purge_refusals,
                         counted.grows,
                         counted.shared_fails};
  for (uint32_t& slabs : out->slabs) slabs = 0;
  for (PoolShard& shard : shards_) {
    os::LockGuard guard(shard.lock());
    for (uint32_t i = 0; i < kClasses; ++i) out->slabs[i] += shard.slabs(i);
  }
}

PoolStats SharedPool::stats() {
  const AllShards all_shards(*this);
  PoolStats stats{};
  registry().for_each_superslab([&stats](const SuperSlab& super) {
    stats.unused_slots += super.count(SlotState::kUnused).count();
    stats.active_slots += super.count(SlotState::kActive).count();
    stats.empty_slots += super.count(SlotState::kEmpty).count();
  });
  stats.unused_slots += uint64_t{fresh_.count} * kSlotsPerSuperSlab;
  const PoolCounters counted = counters();
  stats.acquires = counted.acquires;
  stats.releases = counted.releases;
  stats.purged_slots = counted.purged_slots;
  stats.purge_refusals = counted.purge_refusals;
  stats.grows = counted.grows;
  stats.shared_fails = counted.shared_fails;
  return stats;
}

}  // namespace hakmem
