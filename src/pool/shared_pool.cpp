#include "pool/shared_pool.h"

#include <string.h>

#include "superslab/canary.h"
#include "superslab/meta_arena.h"
#include "pool/memory_limit.h"

namespace hakmem {

namespace {

constinit SharedPool g_pool;

constexpr uint32_t kSlotsPerNotice = (16u << 20) >> kSlotShift;

}  // namespace

SharedPool& pool() { return g_pool; }

SharedPool::Acquired SharedPool::acquire(ClassIndex size_class, OwnerId owner, SuperSlab* near,
                                         SlotCount alignment, Growth growth) {
  const uint32_t slots = class_info(size_class).slots;
  const Bytes bitmap_size = bitmap_bytes(size_class);
  uint64_t* bitmap = nullptr;
  if (bitmap_size.count() != 0) {
    bitmap = static_cast<uint64_t*>(meta_arena().allocate(bitmap_size));
    if (bitmap == nullptr) return Acquired{};
    memset(bitmap, 0xff, bitmap_size.count());
  }
  bool waited_for_purge = false;
  Acquired got;
  // Each turn finds a run in what was committed, or waits once for a purge to give up its claims, or
  // ends.
  for (;;) {
    {
      os::LockGuard guard(lock_);
      Run run = find_run(slots, alignment.count(), near, owner);
      if (run.super == nullptr && growth == Growth::kAllowed) {
        run = run_in_fresh(slots, alignment.count(), owner);
      }
      if (run.super != nullptr) {
        const bool zero = claim(run);
        counters_.acquires.add(1);
        releases_in_row_ = 0;
        ++slabs_[size_class.count()];
        got = Acquired{format(run, size_class, owner, bitmap), zero};
        break;
      }
      counters_.misses.add(1);
      if (waited_for_purge) counters_.shared_fails.add(1);
    }
    if (growth == Growth::kForbidden || waited_for_purge) break;
    // EMPTY slots that are no run long enough.
    if (memory_limit().is_near(used())) purge_all();
    if (grow()) continue;
    os::LockGuard wait(purge_lock_);
    waited_for_purge = true;
  }
  if constexpr (kHardened) {
    if (got.slab != nullptr) prepare_blocks(*got.slab, got.zero);
  }
  if (got.slab == nullptr && bitmap != nullptr) meta_arena().release(bitmap, bitmap_size);
  return got;
}

void SharedPool::detach(Slab* slab) {
  registry().set_tags(PoolKey(), slab->base, slab->slot_count(), kUnusedTag);
}

void SharedPool::release(Slab* slab) {
  DCHECK(slab->head_distance == 0 && slab->all_free());
  DCHECK(registry().tag_of(slab->base) == kUnusedTag);
  const uintptr_t base = slab->base;
  const SlotCount slots = slab->slot_count();
  const ClassIndex size_class = slab->class_index();
  SuperSlab* super = registry().superslab_of(base);
  const uint32_t first = static_cast<uint32_t>((base - super->base()) >> kSlotShift);
  if (slab->bitmap != &slab->inline_word) {
    meta_arena().release(slab->bitmap, bitmap_bytes(slab->class_index()));
  }
  for (uint32_t i = 1; i < slots.count(); ++i) {
    slab[i].head_distance = 0;
    slab[i].purged_pages = 0;
  }
  memset(static_cast<void*>(slab), 0, sizeof(Slab));
  bool surplus;
  {
    os::LockGuard guard(lock_);
    give_back(super, run_mask(first, slots.count()));
    counters_.releases.add(1);
    ++releases_in_row_;
    --slabs_[size_class.count()];
    surplus = empty_slots().count() > empty_slots_max().count() + kSlotsPerSuperSlab;
  }
  if (surplus) [[unlikely]] purge_surplus();
}

bool SharedPool::resize(Slab* slab, ClassIndex new_class) {
  DCHECK(is_large(slab->class_index()) && is_large(new_class));
  const uint32_t old_slots = slab->slots;
  const uint32_t new_slots = class_info(new_class).slots;
  SuperSlab* super = registry().superslab_of(slab->base);
  const uint32_t first = static_cast<uint32_t>((slab->base - super->base()) >> kSlotShift);
  if (first + new_slots > kSlotsPerSuperSlab) return false;
  const OwnerId owner = tag_owner(registry().tag_of(slab->base));
  os::LockGuard guard(lock_);
  counters_.resizes.add(1);
  if (new_slots > old_slots) {
    const Run tail{super, first + old_slots, new_slots - old_slots};
    if ((super->free_mask() & tail.mask()) != tail.mask()) return false;
    claim(tail);
    for (uint32_t i = old_slots; i < new_slots; ++i) {
      slab[i].head_distance = static_cast<uint8_t>(i);
    }
    registry().set_tags(PoolKey(), tail.base(), SlotCount(tail.slots), kInteriorTag);
  } else if (new_slots < old_slots) {
    const Run tail{super, first + new_slots, old_slots - new_slots};
    registry().set_tags(PoolKey(), tail.base(), SlotCount(tail.slots), kUnusedTag);
    for (uint32_t i = new_slots; i < old_slots; ++i) slab[i].head_distance = 0;
    give_back(super, tail.mask());
  }
  --slabs_[slab->size_class];
  ++slabs_[new_class.count()];
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
  DCHECK(!is_large(slab->class_index()));
  registry().set_tags(PoolKey(), slab->base, slab->slot_count(),
                      make_tag(owner, slab->class_index()));
}

// True when no slot of the run had pages.
bool SharedPool::claim(const Run& run) {
  const uint32_t unused = run.mask() & run.super->mask(SlotState::kUnused);
  const uint32_t empty = run.mask() & ~unused;
  if (unused != 0) run.super->move(PoolKey(), unused, SlotState::kUnused, SlotState::kActive);
  if (empty != 0) run.super->move(PoolKey(), empty, SlotState::kEmpty, SlotState::kActive);
  count_slots(0u - static_cast<uint32_t>(std::popcount(empty)), run.slots);
  note_moved(run.slots);
  run.super->refused_purge = false;
  reindex(run.super);
  return empty == 0;
}

void SharedPool::give_back(SuperSlab* super, uint32_t mask) {
  super->move(PoolKey(), mask, SlotState::kActive, SlotState::kEmpty);
  const uint32_t slots = static_cast<uint32_t>(std::popcount(mask));
  count_slots(slots, 0u - slots);
  note_moved(slots);
  if (super->mask(SlotState::kActive) == 0) super->tenant = kNoOwner;
  reindex(super);
}

bool SharedPool::grow() {
  os::LockGuard turn(grow_lock_);
  {
    os::LockGuard guard(lock_);
    if (fresh_.count != 0) return true;  // somebody else grew meanwhile
  }
  return keep_fresh(registry().commit_next());
}

// As a whole or not at all.
bool SharedPool::grow_by(Bytes size) {
  os::LockGuard turn(grow_lock_);
  {
    os::LockGuard guard(lock_);
    if (fresh_.count != 0) return true;
  }
  return keep_fresh(registry().commit_exactly(size));
}

// Under grow_lock_.
bool SharedPool::keep_fresh(const SuperSlabRange& range) {
  if (range.count == 0) return false;
  os::LockGuard guard(lock_);
  fresh_ = range;
  counters_.grows.add(1);
  return true;
}

template <SuperSlab::Link SuperSlab::*kLink>
void SharedPool::move_in_index(Index& index, SuperSlab* super, uint8_t& place, uint32_t run) {
  if (place == run) return;
  SuperSlab::Link& link = super->*kLink;
  if (place != 0) {
    SuperSlab*& list = index.lists[place];
    if (link.previous != nullptr) {
      (link.previous->*kLink).next = link.next;
    } else {
      list = link.next;
    }
    if (link.next != nullptr) (link.next->*kLink).previous = link.previous;
    if (list == nullptr) index.occupied &= ~(uint64_t{1} << place);
  }
  place = static_cast<uint8_t>(run);
  if (run == 0) return;
  SuperSlab*& list = index.lists[run];
  link.previous = nullptr;
  link.next = list;
  if (list != nullptr) (list->*kLink).previous = super;
  list = super;
  index.occupied |= uint64_t{1} << run;
}

void SharedPool::reindex(SuperSlab* super) {
  move_in_index<&SuperSlab::free_link>(by_free_, super, super->longest_free,
                                       longest_run(super->free_mask()));
  move_in_index<&SuperSlab::empty_link>(by_empty_, super, super->longest_empty,
                                        longest_run(super->mask(SlotState::kEmpty)));
}

// Makes a slab of the run, under lock_. `bitmap` is all ones, and nullptr where the record has room.
Slab* SharedPool::format(const Run& run, ClassIndex size_class, OwnerId owner, uint64_t* bitmap) {
  const SizeClass& info = class_info(size_class);
  Slab* slab = &run.super->slabs[run.first];
  slab->inline_word = ~uint64_t{0};
  slab->bitmap = bitmap != nullptr ? bitmap : &slab->inline_word;
  slab->base = run.base();
  slab->blocks = info.blocks;
  slab->free_count = info.blocks;
  slab->size_class = static_cast<uint8_t>(size_class.count());
  slab->slots = static_cast<uint8_t>(run.slots);
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
  os::LockGuard guard(lock_);
  for (uint32_t& slabs : slabs_) slabs = 0;
  registry().for_each_superslab([this](SuperSlab& super) {
    uint32_t lost = 0;
    for (uint32_t slot = 0; slot < kSlotsPerSuperSlab; ++slot) {
      const uintptr_t base = super.base() + (size_t{slot} << kSlotShift);
      const Slab& slab = super.slabs[slot];
      const uint32_t tag = registry().tag_of(base);
      if (tag == kUnusedTag) lost |= 1u << slot;
      if (tag_owner(tag).count() > kOwnerMax || tag == kUnusedTag || slab.head_distance != 0) continue;
      if (!slab.all_free() || slab.listed) {
        ++slabs_[slab.size_class];
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
    give_back(&super, lost);
  });
}

Bytes SharedPool::used() const {
  const uint32_t slots = active_slots().count() + empty_slots().count();
  return Bytes(size_t{slots} << kSlotShift) + memory_limit().huge();
}

// Under lock_.
void SharedPool::note_moved(uint32_t slots) {
  slots_since_notice_ += slots;
  if (slots_since_notice_ < kSlotsPerNotice) return;
  slots_since_notice_ = 0;
  notice_.store(true, std::memory_order_relaxed);
}

// Under lock_. Adds; what goes away is added as a number that wraps.
void SharedPool::count_slots(uint32_t empty, uint32_t active) {
  empty_slots_.store(empty_slots().count() + empty, std::memory_order_relaxed);
  active_slots_.store(active_slots().count() + active, std::memory_order_relaxed);
}

void SharedPool::overview(PoolOverview* out) {
  os::LockGuard guard(lock_);
  const uint64_t slots = registry().committed().count() >> kSlotShift;
  const uint64_t active = active_slots().count();
  const uint64_t empty = empty_slots().count();
  out->stats = PoolStats{slots > active + empty ? slots - active - empty : 0,
                         active,
                         empty,
                         counters_.acquires.get(),
                         counters_.releases.get(),
                         counters_.purged_slots.get(),
                         counters_.purge_refusals.get(),
                         counters_.grows.get(),
                         counters_.shared_fails.get()};
  for (uint32_t i = 0; i < kClasses; ++i) out->slabs[i] = slabs_[i];
}

PoolStats SharedPool::stats() {
  os::LockGuard guard(lock_);
  PoolStats stats{};
  registry().for_each_superslab([&stats](const SuperSlab& super) {
    stats.unused_slots += super.count(SlotState::kUnused).count();
    stats.active_slots += super.count(SlotState::kActive).count();
    stats.empty_slots += super.count(SlotState::kEmpty).count();
  });
  stats.unused_slots += uint64_t{fresh_.count} * kSlotsPerSuperSlab;
  stats.acquires = counters_.acquires.get();
  stats.releases = counters_.releases.get();
  stats.purged_slots = counters_.purged_slots.get();
  stats.purge_refusals = counters_.purge_refusals.get();
  stats.grows = counters_.grows.get();
  stats.shared_fails = counters_.shared_fails.get();
  return stats;
}

}  // namespace hakmem
