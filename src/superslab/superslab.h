// superslab/superslab.h: 2 MiB of slots and the state of each.
//
// Responsibility  The three masks that say which of 32 slots are UNUSED, ACTIVE or EMPTY.
// Contract        unused + active + empty == 32, always. Only the five edges of DESIGN's state
//                 diagram exist, and only the holder of a PoolKey, the pool, can take one.
// Observable      count(state), mask(state).
// Composable      superslab/slab. Used by registry, pool, observe.
#pragma once

#include <atomic>

#include "superslab/slab.h"

namespace hakmem {

// UNUSED: no pages behind it. ACTIVE: one owner, one class. EMPTY: free, its pages are there or about to be.
enum class SlotState : uint8_t { kUnused, kActive, kEmpty };

// Only the pool can make one, so only the pool can change the state or the tag of a slot.
class PoolKey {
  friend class SharedPool;
  friend class PoolShard;
  PoolKey() = default;
};

class alignas(64) SuperSlab {
  static constexpr bool edge_exists(SlotState from, SlotState to) {
    if (to == SlotState::kActive) return from != SlotState::kActive;
    return from == SlotState::kActive;
  }

  // sync: open. 0 until the masks are set; release in open(), acquire in base(), for those who walk
  // all SuperSlabs without the locks of the pool.
  std::atomic<uintptr_t> base_;
  uint32_t masks_[3];

 public:
  // Slots of a huge block, which are INTERIOR without a slab.
  uint32_t huge_slots;

  // Places in the pool's two indexes: by longest run of free slots, by longest run of EMPTY ones.
  struct Link {
    SuperSlab* next;
    SuperSlab* previous;
  };

  // Where a reader in another process finds them; see observe/page_layout.
  static constexpr size_t kBaseOffset = 0;
  static constexpr size_t kMasksOffset = sizeof(uintptr_t);
  static constexpr size_t kSlabsOffset = 128;

  // Fresh memory is all zero, which is not a legal state: the pool opens each SuperSlab once.
  void open(PoolKey, uintptr_t base, uint32_t shard) {
    shard_ = static_cast<uint8_t>(shard);
    masks_[0] = ~0u;
    masks_[1] = 0;
    masks_[2] = 0;
    base_.store(base, std::memory_order_release);
  }

  uintptr_t base() const { return base_.load(std::memory_order_acquire); }
  // The shard that opened it; never changes.
  uint32_t shard() const { return shard_; }
  uint32_t mask(SlotState state) const { return masks_[static_cast<uint32_t>(state)]; }
  uint32_t free_mask() const { return mask(SlotState::kUnused) | mask(SlotState::kEmpty); }
  SlotCount count(SlotState state) const {
    return SlotCount(static_cast<uint32_t>(std::popcount(mask(state))));
  }

  void move(PoolKey, uint32_t slots, SlotState from, SlotState to) {
    uint32_t& source = masks_[static_cast<uint32_t>(from)];
    CHECK((source & slots) == slots && edge_exists(from, to));
    source &= ~slots;
    masks_[static_cast<uint32_t>(to)] |= slots;
  }

  // The pool's index; see PoolShard.
  Link free_link;
  Link empty_link;
  uint8_t longest_free;
  uint8_t longest_empty;

  // The system did not take all of its EMPTY slots (locked memory): passed over by decay, until one of
  // its slots is used again or somebody asks for all that can be had.
  bool refused_purge;

 private:
  uint8_t shard_;

 public:
  // The one cache this SuperSlab serves, where slots are not shared (tiny_ss_shared off).
  OwnerId tenant;

  // sync: none, a hint; see superslab/huge_page.
  std::atomic<bool> may_have_huge_page;

  Slab slabs[kSlotsPerSuperSlab];
};
static_assert(sizeof(SuperSlab) == SuperSlab::kSlabsOffset + kSlotsPerSuperSlab * sizeof(Slab));

}  // namespace hakmem
