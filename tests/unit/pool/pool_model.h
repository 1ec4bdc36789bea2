// unit/pool/pool_model.h: what the process's pool must look like after each step.
//
// One process has one pool, so a model starts from what it finds, with nothing ACTIVE.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <vector>

#include "os/process.h"
#include "pool/shared_pool.h"

#include "unit/support.h"

namespace hakmem::test {

inline constexpr OwnerId kPoolOwner{77};

inline void open_registry() {
  if (registry().reservations() == 0) registry().open();
}

inline ClassIndex class_number(uint32_t number) { return ClassIndex(number % kClasses); }

class PoolModel {
 public:
  // EMPTY slots: 16 MiB.
  static constexpr size_t kMayStay = size_t{16} << 20 >> kSlotShift;

  PoolModel() {
    open_registry();
    learn_free_slots();
  }
  ~PoolModel() {
    while (!slabs_.empty()) release(0);
  }

  // Each answers with the first thing that is wrong, or nullptr.
  const char* acquire(ClassIndex c, OwnerId owner, SlotCount alignment, bool near,
                      SharedPool::Density density = SharedPool::Density::kUnknown) {
    SuperSlab* close_to = near ? registry().superslab_of(last_) : nullptr;
    const uint32_t before = slab_clock(os::now_coarse());
    const uint64_t asked = pool().counters().huge_pages;
    const auto got = pool().acquire(c, owner, close_to, alignment, SharedPool::Growth::kAllowed, density);
    if (got.slab == nullptr) return "refused";
    if (pool().counters().huge_pages != asked) {
      // One that was UNUSED is EMPTY, but for what was acquired.
      if (density != SharedPool::Density::kDense) return "a huge page for who did not say that it needs one";
      became_empty(*registry().superslab_of(got.slab->base));
    }
    if (got.slab->born - before > slab_clock(os::now_coarse()) - before) return "not born now";
    const SizeClass& info = class_info(c);
    const uintptr_t base = last_ = got.slab->base;
    if (base % (alignment.count() << kSlotShift) != 0) return "misaligned";
    if (base >> kSuperSlabShift !=
        (base + (size_t{info.slots} << kSlotShift) - 1) >> kSuperSlabShift)
      return "across two SuperSlabs";
    if (got.slab->class_index() != c || got.slab->blocks != info.blocks || !got.slab->all_free())
      return "not a fresh slab of its class";
    if (count_free_bits(*got.slab) != info.blocks) return "bits of blocks that are not there";
    if (got.slab != registry().slot_of(base)) return "not its own record";
    bool zero = true;
    for (uint32_t i = 0; i < info.slots; ++i) {
      const uintptr_t slot = base + (size_t{i} << kSlotShift);
      if (active_.contains(slot)) return "handed out twice";
      if (got.slab[i].purged_pages != 0) return "pages purged in an earlier life";
      zero = zero && !empty_.contains(slot);
      empty_.erase(slot);
      active_[slot] = base;
    }
    if (got.zero != zero) return zero ? "unused memory not known zero" : "used memory called zero";
    const size_t bytes = size_t{info.slots} << kSlotShift;
    if (zero && !all_zero(reinterpret_cast<void*>(base), bytes)) return "known zero and not";
    scribble(base, info.slots);
    owners_[base] = owner;
    slabs_.push_back(got.slab);
    return check();
  }

  const char* release(size_t index) {
    if (slabs_.empty()) return nullptr;
    const auto chosen = slabs_.begin() + static_cast<ptrdiff_t>(index % slabs_.size());
    Slab* slab = *chosen;
    slabs_.erase(chosen);
    forget_slots(slab, 0);
    put_block(*slab, 0);  // a large one may be held by the program
    for (uint32_t i = 0; i < slab->slots; ++i) slab[i].purged_pages = 1;  // as hole purges leave it
    pool().detach(slab);
    const uint64_t purged = pool().stats().purged_slots;
    const size_t before = empty_.size();
    pool().release(slab);
    // More EMPTY slots than may stay: one SuperSlab's go back on the spot.
    if (pool().stats().purged_slots != purged) {
      learn_free_slots();
      if (before < kMayStay) return "what may stay was purged";
      if (before - empty_.size() != pool().stats().purged_slots - purged) return "a release lost slots";
    }
    return check();
  }

  const char* resize(size_t index, ClassIndex wanted) {
    if (slabs_.empty()) return nullptr;
    Slab* slab = slabs_[index % slabs_.size()];
    if (!is_large(slab->class_index()) || !is_large(wanted)) return nullptr;
    const uint32_t had = slab->slots;
    const uint32_t wants = class_info(wanted).slots;
    bool possible = true;
    for (uint32_t i = had; i < wants; ++i) {
      const uintptr_t slot = slab->base + (size_t{i} << kSlotShift);
      possible = possible && slot >> kSuperSlabShift == slab->base >> kSuperSlabShift &&
                 !active_.contains(slot);
    }
    if (pool().resize(slab, wanted) != possible) return "resize has another opinion";
    if (!possible) return check();
    if (slab->class_index() != wanted || slab->slots != wants) return "resized to something else";
    for (uint32_t i = had; i < wants; ++i) {
      const uintptr_t slot = slab->base + (size_t{i} << kSlotShift);
      empty_.erase(slot);
      active_[slot] = slab->base;
      scribble(slot, 1);
    }
    if (wants < had) forget_slots_from(slab->base, wants, had);
    return check();
  }

  const char* purge() {
    const size_t bytes = empty_.size() << kSlotShift;
    if (pool().purge_all() != Bytes(bytes)) return "purged another number of bytes";
    empty_.clear();
    return check();
  }

  const char* decay(Milliseconds now) {
    const uint64_t purged = pool().stats().purged_slots;
    const size_t before = empty_.size();
    pool().decay(now, UINT64_MAX);
    learn_free_slots();
    if (before - empty_.size() != pool().stats().purged_slots - purged) return "decay lost slots";
    return check();
  }

 private:
  // First word of each page, so that a wrong "zero" is found.
  static void scribble(uintptr_t base, uint32_t slots) {
    for (size_t at = 0; at < size_t{slots} << kSlotShift; at += 4096) {
      *reinterpret_cast<uint64_t*>(base + at) = ~uint64_t{0};
    }
  }

  void forget_slots(const Slab* slab, uint32_t from) {
    forget_slots_from(slab->base, from, slab->slots);
  }
  void forget_slots_from(uintptr_t base, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; ++i) {
      const uintptr_t slot = base + (size_t{i} << kSlotShift);
      active_.erase(slot);
      empty_[slot] = true;
    }
  }

  void became_empty(const SuperSlab& super) {
    for (uint32_t i = 0; i < kSlotsPerSuperSlab; ++i) empty_[super.base() + (size_t{i} << kSlotShift)] = true;
  }

  void learn_free_slots() {
    empty_.clear();
    registry().for_each_superslab([this](const SuperSlab& super) {
      for (uint32_t i = 0; i < kSlotsPerSuperSlab; ++i) {
        const uintptr_t slot = super.base() + (size_t{i} << kSlotShift);
        if ((super.mask(SlotState::kEmpty) >> i & 1) != 0) empty_[slot] = true;
      }
    });
  }

  const char* check() {
    const PoolStats stats = pool().stats();
    if (stats.active_slots != active_.size()) return "ACTIVE count";
    if (stats.empty_slots != empty_.size()) return "EMPTY count";
    // stats() counts masks; this is what the pool itself goes by.
    PoolOverview overview;
    pool().overview(&overview);
    if (overview.stats.active_slots != active_.size()) return "ACTIVE slots as counted";
    if (overview.stats.empty_slots != empty_.size()) return "EMPTY slots as counted";
    const uint64_t all = stats.unused_slots + stats.active_slots + stats.empty_slots;
    if (all << kSlotShift != registry().committed().count())
      return "the sum is not what is committed";
    const char* wrong = nullptr;
    registry().for_each_superslab([&](const SuperSlab& super) {
      if (const char* text = check_superslab(super); text != nullptr) wrong = text;
    });
    return wrong;
  }

  const char* check_superslab(const SuperSlab& super) {
    uint32_t total = 0;
    for (const SlotState state : {SlotState::kUnused, SlotState::kActive, SlotState::kEmpty}) {
      total += super.count(state).count();
    }
    if (total != kSlotsPerSuperSlab) return "unused + active + empty != 32";
    for (uint32_t i = 0; i < kSlotsPerSuperSlab; ++i) {
      const uintptr_t slot = super.base() + (size_t{i} << kSlotShift);
      const auto found = active_.find(slot);
      const bool is_active = found != active_.end();
      if (((super.mask(SlotState::kActive) >> i & 1) != 0) != is_active) return "ACTIVE mask";
      if (((super.mask(SlotState::kEmpty) >> i & 1) != 0) != empty_.contains(slot))
        return "EMPTY mask";
      uint32_t tag = kUnusedTag;
      if (is_active) {
        const Slab* slab = registry().slot_of(slot)->head();
        if (slab->base != found->second) return "a slot does not find its head";
        tag = is_large(slab->class_index()) && slot != slab->base
                  ? kInteriorTag
                  : make_tag(owners_[slab->base], slab->class_index());
      }
      if (registry().tag_of(slot) != tag) return "tag";
    }
    return nullptr;
  }

  std::vector<Slab*> slabs_;
  std::map<uintptr_t, uintptr_t> active_;  // slot -> base of its slab
  std::map<uintptr_t, bool> empty_;
  std::map<uintptr_t, OwnerId> owners_;  // by base of the slab
  uintptr_t last_ = 0;

 public:
  bool has_last() const { return last_ != 0; }
};

struct Op {
  uint32_t kind;
  uint32_t a;
  uint32_t b;
};

inline std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << op.kind << ":" << op.a << "," << op.b;
}

// The one pool's decay never goes back in time, so all tests move it by one clock.
inline uint64_t& pool_clock_ms() {
  static uint64_t now_ms = os::now_coarse().count();
  return now_ms;
}

inline const char* apply(PoolModel& model, const Op& op) {
  uint64_t& now_ms = pool_clock_ms();
  // Of three shards: the first and the last are of one.
  const OwnerId owner(kPoolOwner.count() + op.b % 3 + op.b % 4 / 3 * SharedPool::kShards);
  switch (op.kind % 10) {
    case 0:
    case 1:
    case 2:
      return model.acquire(class_number(op.a), owner, SlotCount(1), model.has_last() && op.b / 4 % 2 != 0,
                           SharedPool::Density{op.b / 8 % 2 != 0});
    case 3:
      return model.acquire(class_number(op.a), owner, SlotCount(1u << op.b % 6), false);
    case 4:
    case 5:
    case 6:
      return model.release(op.a);
    case 7:
      return model.resize(op.a, class_number(op.b));
    case 8:
      now_ms += op.a % 200;
      return model.decay(Milliseconds(now_ms));
    default:
      return op.a % 4 == 0 ? model.purge() : nullptr;
  }
}

}  // namespace hakmem::test
