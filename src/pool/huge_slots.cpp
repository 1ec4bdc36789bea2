// Slots for one huge block, which crosses the borders of SuperSlabs.
#include "os/process.h"
#include "config/config.h"
#include "pool/shared_pool.h"

namespace hakmem {

namespace {

// As much as small blocks may make the heap grow by at once.
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

// While nobody moves a slot. The first of so many free slots in a row, more than a SuperSlab has: so a run ends one
// SuperSlab, takes those that follow, and begins another. When there is none, the shorter run that ends
// what is committed, for it may grow.
SharedPool::Run SharedPool::find_huge(uint32_t slots) {
  Run run;
  bool found = false;
  registry().for_each_superslab([&](SuperSlab& super) {
    if (found) return;
    // Where slots are not shared, a tenant's are its own.
    const bool is_tenants = !config().tiny_ss_shared && super.tenant != kNoOwner;
    const uint32_t free = is_tenants ? 0 : super.free_mask();
    // Records of one reservation are neighbours as their SuperSlabs are.
    const bool goes_on =
        run.slots != 0 && &super == run.super + (run.first + run.slots) / kSlotsPerSuperSlab;
    if (!goes_on) run.slots = 0;
    const uint32_t begins = static_cast<uint32_t>(std::countr_one(free));
    if (goes_on && run.slots + begins >= slots) {
      run.slots = slots;
      found = true;
    } else if (goes_on && begins == kSlotsPerSuperSlab) {
      run.slots += kSlotsPerSuperSlab;
    } else {
      const uint32_t ends = static_cast<uint32_t>(std::countl_one(free));
      run = Run{&super, kSlotsPerSuperSlab - ends, ends};
    }
  });
  return run;
}

// False when there are not enough; then `found` is the run that ends what is committed, or empty.
bool SharedPool::claim_huge(SlotCount slots, Run* found, bool* zero) {
  const AllShards all_shards(*this);
  while (fresh_.count != 0) open_fresh_held(shards_[0]);
  *found = find_huge(slots.count());
  if (found->slots != slots.count()) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *zero = true;
  for_each_part(*found, [zero, this](const Run& part) {
    PoolShard& shard = shard_of(part.super);
    *zero = shard.claim(part) && *zero;
    note_moved(shard);
    part.super->huge_slots |= part.mask();
    registry().set_tags(PoolKey(), part.base(), SlotCount(part.slots), kInteriorTag);
  });
  shard_of(found->super).counters().acquires.add(1);
  return true;
}

uintptr_t SharedPool::acquire_huge(SlotCount slots, bool* zero) {
  const size_t needed = size_t{slots.count()} << kSlotShift;
  // What a limit on address space refused may still be had from what is reserved. But a refusal without
  // one means that memory is short, or that there are too many mappings: then only a little.
  const bool may_grow =
      os::address_space_limit().count() != SIZE_MAX || needed <= kGrowthMax.count();
  bool waited_for_purge = false;
  bool has_grown = false;
  for (;;) {
    Run found;
    if (claim_huge(slots, &found, zero)) return found.base();
    size_t missing = needed;
    if (found.slots != 0) {
      const size_t run_bytes = size_t{found.slots} << kSlotShift;
      if (found.base() + run_bytes == registry().committed_end()) missing -= run_bytes;
    }
    // All that is missing or nothing, and once: a refusal must not use up what others may need.
    if (may_grow && !has_grown) {
      const Grown grown = grow_by(Bytes(round_up(missing, kSuperSlabBytes.count())));
      has_grown = grown == Grown::kAsAsked;
      if (grown != Grown::kRefused) continue;
    }
    // A purge gives up its claims.
    if (waited_for_purge) return 0;
    os::LockGuard wait(purge_lock_);
    waited_for_purge = true;
  }
}

void SharedPool::release_huge(uintptr_t base, SlotCount slots) {
  SuperSlab* super = registry().superslab_of(base);
  const uint32_t first = static_cast<uint32_t>((base - super->base()) >> kSlotShift);
  PoolShard& begins_in = shard_of(super);
  {
    const AllShards all_shards(*this);
    for_each_part(Run{super, first, slots.count()}, [this](const Run& part) {
      part.super->huge_slots &= ~part.mask();
      registry().set_tags(PoolKey(), part.base(), SlotCount(part.slots), kUnusedTag);
      PoolShard& shard = shard_of(part.super);
      shard.give_back(part.super, part.mask());
      note_moved(shard);
    });
    begins_in.counters().releases.add(1);
  }
  purge_surplus(begins_in, Surplus::kPerhaps);
}

}  // namespace hakmem
