// Slots for one huge block, which crosses the borders of SuperSlabs.
#include "os/process.h"
#include "pool/shared_pool.h"

namespace hakmem {

namespace {

constexpr Bytes kGrowthMax = mib(256);

}  // namespace

// Calls visit(part) for what of the run lies in each SuperSlab.
template <class Visit>
void SharedPool::for_each_part(const Run& run, Visit visit) {
  Run rest = run;
  while (rest.slots != 0) {
    const uint32_t room = kSlotsPerSuperSlab - rest.first;
    const uint32_t slots = rest.slots < room ? rest.slots : room;
    visit(Run{rest.super, rest.first, slots});
    rest = Run{rest.super + 1, 0, rest.slots - slots};
  }
}

// Under lock_. The first of so many free slots in a row, more than a SuperSlab has: so a run ends one
// SuperSlab, takes those that follow, and begins another. run.super is nullptr when there is none.
SharedPool::Run SharedPool::find_huge(uint32_t slots) {
  Run run;
  bool found = false;
  registry().for_each_superslab([&](SuperSlab& super) {
    if (found) return;
    const uint32_t free = super.free_mask();
    // Records of one reservation are neighbours as their SuperSlabs are.
    const bool goes_on =
        run.slots != 0 && &super == run.super + (run.first + run.slots) / kSlotsPerSuperSlab;
    if (!goes_on) run.slots = 0;
    const uint32_t begins = static_cast<uint32_t>(std::countr_one(free));
    if (goes_on && run.slots + begins >= slots) {
      found = true;
    } else if (goes_on && begins == kSlotsPerSuperSlab) {
      run.slots += kSlotsPerSuperSlab;
    } else {
      const uint32_t ends = static_cast<uint32_t>(std::countl_one(free));
      run = Run{&super, kSlotsPerSuperSlab - ends, ends};
    }
  });
  return found ? Run{run.super, run.first, slots} : Run{};
}

uintptr_t SharedPool::acquire_huge(SlotCount slots, bool* zero) {
  // What a limit on address space refused may still be had from what is reserved. But a refusal without
  // one means that memory is short, and small steps must not get by stealth what was refused as a whole.
  const bool may_grow = os::address_space_limit().count() != SIZE_MAX ||
                        size_t{slots.count()} << kSlotShift <= kGrowthMax.count();
  // Ends when the reservation has no room for it, or the system grants no more.
  do {
    os::LockGuard guard(lock_);
    while (open_fresh() != nullptr) {
    }
    const Run found = find_huge(slots.count());
    if (found.super == nullptr) continue;
    *zero = true;
    for_each_part(found, [zero, this](const Run& part) {
      *zero = claim(part) && *zero;
      part.super->huge_slots |= part.mask();
      registry().set_tags(PoolKey(), part.base(), SlotCount(part.slots), kInteriorTag);
    });
    ++acquires_;
    return found.base();
  } while (may_grow && registry().room() >= kSuperSlabBytes && grow());
  return 0;
}

void SharedPool::release_huge(uintptr_t base, SlotCount slots) {
  SuperSlab* super = registry().superslab_of(base);
  const uint32_t first = static_cast<uint32_t>((base - super->base()) >> kSlotShift);
  bool surplus;
  {
    os::LockGuard guard(lock_);
    for_each_part(Run{super, first, slots.count()}, [this](const Run& part) {
      part.super->huge_slots &= ~part.mask();
      registry().set_tags(PoolKey(), part.base(), SlotCount(part.slots), kUnusedTag);
      give_back(part.super, part.mask());
    });
    ++releases_;
    surplus = empty_slots_ > empty_slots_max().count() + kSlotsPerSuperSlab;
  }
  if (surplus) purge_surplus();
}

}  // namespace hakmem
