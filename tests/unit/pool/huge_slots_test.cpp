// Slots for huge blocks, and the slabs that a fork finds on their way.
#include <gtest/gtest.h>

#include <vector>

#include <cstring>

#include "pool/shared_pool.h"
#include "observe/invariants.h"

#include "unit/support.h"

namespace hakmem {
namespace {

constexpr OwnerId kOwner{77};

void open_registry() {
  if (registry().reservations() == 0) registry().open();
}

TEST(HugeSlots, AHugeBlockCrossesTheBordersOfSuperSlabs) {
  open_registry();
  const PoolStats before = pool().stats();
  for (const uint32_t slots : {33U, 64U, 65U, 100U}) {
    // What is live around it stays where it is: the run begins anywhere.
    const Slab* first =
        pool().acquire(class_of(1 << 20), kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed)
            .slab;
    bool zero = false;
    const uintptr_t base = pool().acquire_huge(SlotCount(slots), &zero);
    ASSERT_NE(base, 0U);
    EXPECT_EQ(base % kSlotBytes.count(), 0U);
    EXPECT_EQ(pool().stats().active_slots, before.active_slots + first->slots + slots);
    const size_t bytes = size_t{slots} << kSlotShift;
    EXPECT_TRUE(first->base >= base + bytes || first->base < base);
    EXPECT_TRUE(!zero || test::all_zero(reinterpret_cast<void*>(base), bytes));
    std::memset(reinterpret_cast<void*>(base), 0xff, bytes);
    for (uint32_t i = 0; i < slots; ++i) {
      EXPECT_EQ(registry().tag_of(base + (size_t{i} << kSlotShift)), kInteriorTag);
    }
    // The tail first, then the rest.
    pool().release_huge(base + (size_t{20} << kSlotShift), SlotCount(slots - 20));
    EXPECT_EQ(registry().tag_of(base + (size_t{20} << kSlotShift)), kUnusedTag);
    pool().release_huge(base, SlotCount(20));
    Slab* slab = registry().slot_of(first->base);
    pool().detach(slab);
    pool().release(slab);
    EXPECT_EQ(pool().stats().active_slots, before.active_slots);
  }
}

TEST(HugeSlots, AHugeBlockThatFitsNowhereIsRefused) {
  open_registry();
  const Bytes committed = registry().committed();
  bool zero = false;
  EXPECT_EQ(pool().acquire_huge(SlotCount(UINT32_MAX), &zero), 0U);
  EXPECT_EQ(registry().committed(), committed) << "nothing is committed for what was refused as a whole";
}

// The search opens all that is fresh; what it does not take must be found by others.
TEST(HugeSlots, WhatWasOpenedForNothingServesSlabs) {
  open_registry();
  std::vector<Slab*> slabs;
  // A step of growth is more than one SuperSlab.
  for (const Bytes committed = registry().committed(); registry().committed() == committed;) {
    slabs.push_back(
        pool().acquire(class_of(2 << 20), kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed).slab);
    ASSERT_NE(slabs.back(), nullptr);
  }
  bool zero = false;
  ASSERT_EQ(pool().acquire_huge(SlotCount(UINT32_MAX), &zero), 0U);
  // Every shard's owner takes what his shard has.
  for (uint32_t shard = 0; shard < SharedPool::kShards;) {
    const auto got = pool().acquire(class_of(2 << 20), OwnerId(SharedPool::kShards + shard), nullptr, SlotCount(1),
                                    SharedPool::Growth::kForbidden);
    if (got.slab == nullptr) {
      ++shard;
    } else {
      slabs.push_back(got.slab);
    }
  }
  registry().for_each_superslab(
      [](const SuperSlab& super) { EXPECT_NE(super.free_mask(), ~0u) << "a whole SuperSlab is not found"; });
  for (Slab* slab : slabs) {
    pool().detach(slab);
    pool().release(slab);
  }
}

// A slab that a vanished thread had got from the pool and not yet put on its list.
TEST(Repair, FindsSlabsThatNobodyHasListed) {
  open_registry();
  const PoolStats before = pool().stats();
  for (const size_t size : {size_t{48}, size_t{20} << 10, size_t{300} << 10}) {
    pool().acquire(class_of(size), kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed);
  }
  pool().repair_in_child();
  EXPECT_EQ(pool().stats().active_slots, before.active_slots);
  EXPECT_STREQ(check_heap(Threads::kStopped), nullptr);
}

}  // namespace
}  // namespace hakmem
