// Which slots of a shard an acquire gets.
#include "config/config.h"
#include "pool/pool_shard.h"

namespace hakmem {

namespace {

// Starts in the mask that are multiples of `alignment` slots.
constexpr uint32_t aligned_starts(uint32_t alignment) {
  uint32_t starts = 0;
  for (uint32_t slot = 0; slot < kSlotsPerSuperSlab; slot += alignment) starts |= 1u << slot;
  return starts;
}

}  // namespace

PoolShard::Run PoolShard::find_run(uint32_t slots, uint32_t alignment, SuperSlab* near,
                                   OwnerId owner, const SuperSlab* avoided) const {
  if (!config().tiny_ss_shared) return find_run_of_tenant(slots, alignment, owner);
  if (near == avoided) near = nullptr;
  if (near != nullptr) {
    const Run run = run_in(near, near->mask(SlotState::kEmpty), slots, alignment);
    if (run.super != nullptr) return run;
  }
  if (SuperSlab* super = best_fit<&SuperSlab::empty_link>(by_empty_, slots, alignment, avoided); super != nullptr) {
    return run_in(super, super->mask(SlotState::kEmpty), slots, alignment);
  }
  if (near != nullptr) {
    const Run run = run_in(near, near->free_mask(), slots, alignment);
    if (run.super != nullptr) return run;
  }
  SuperSlab* super = best_fit<&SuperSlab::free_link>(by_free_, slots, alignment, avoided);
  if (super == nullptr) return Run{};
  return run_in(super, super->free_mask(), slots, alignment);
}

PoolShard::Run PoolShard::run_in(SuperSlab* super, uint32_t mask, uint32_t slots,
                                 uint32_t alignment) {
  const uint32_t starts = run_starts(mask, slots) & aligned_starts(alignment);
  if (starts == 0) return Run{};
  return Run{super, static_cast<uint32_t>(std::countr_zero(starts)), slots};
}

// A run of slots + alignment - 1 holds an aligned one, and a SuperSlab without tenants always does.
template <SuperSlab::Link SuperSlab::*kLink>
SuperSlab* PoolShard::best_fit(const Index& index, uint32_t slots, uint32_t alignment, const SuperSlab* avoided) {
  const uint32_t needed = slots + alignment - 1;
  const uint32_t least = needed < kSlotsPerSuperSlab ? needed : kSlotsPerSuperSlab;
  for (uint64_t fitting = index.occupied >> least << least; fitting != 0; fitting &= fitting - 1) {
    SuperSlab* super = index.lists[std::countr_zero(fitting)];
    if (super == avoided) super = (super->*kLink).next;
    if (super != nullptr) return super;
  }
  return nullptr;
}

// tiny_ss_shared off: only SuperSlabs that serve this cache alone, then a wholly free one. Walks the
// lists, which is fine for a mode that answers "is it the sharing?".
PoolShard::Run PoolShard::find_run_of_tenant(uint32_t slots, uint32_t alignment,
                                             OwnerId owner) const {
  for (uint32_t length = slots; length <= kSlotsPerSuperSlab; ++length) {
    for (SuperSlab* super = by_free_.lists[length]; super != nullptr; super = super->free_link.next) {
      if (super->tenant != owner) continue;
      const Run run = run_in(super, super->free_mask(), slots, alignment);
      if (run.super != nullptr) return run;
    }
  }
  SuperSlab* super = by_free_.lists[kSlotsPerSuperSlab];
  if (super == nullptr) return Run{};
  super->tenant = owner;
  return run_in(super, super->free_mask(), slots, alignment);
}

}  // namespace hakmem
