#include "pool/shared_pool.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

#include "unit/pool/pool_model.h"
#include "unit/support.h"

namespace hakmem {
namespace {

using test::class_number;
using test::open_registry;
using test::PoolModel;

constexpr OwnerId kOwner = test::kPoolOwner;

TEST(SharedPool, RandomLivesKeepTheEquation) {
  EXPECT_TRUE(rc::check("acquire, release, resize, purge, decay", [] {
    const auto ops = *rc::gen::container<std::vector<test::Op>>(rc::gen::construct<test::Op>(
        rc::gen::inRange<uint32_t>(0, 10), rc::gen::inRange<uint32_t>(0, 1000),
        rc::gen::inRange<uint32_t>(0, 1000)));
    PoolModel model;
    for (const test::Op& op : ops) {
      if (const char* wrong = apply(model, op); wrong != nullptr) RC_FAIL(wrong);
    }
  }));
}

TEST(SharedPool, ALongLife) {
  PoolModel model;
  test::Random random(11);
  const auto number = [&random] { return static_cast<uint32_t>(random.below(1u << 20)); };
  for (uint32_t step = 0; step < 3000; ++step) {
    ASSERT_STREQ(apply(model, test::Op{number(), number(), number()}), nullptr) << step;
  }
}

TEST(SharedPool, WhatWasUsedIsReusedBeforeFreshMemory) {
  PoolModel model;
  const ClassIndex c = class_of(64);
  const auto first = pool().acquire(c, kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed);
  const uintptr_t base = first.slab->base;
  pool().detach(first.slab);
  pool().release(first.slab);
  for (uint32_t round = 0; round < 50; ++round) {
    const auto again = pool().acquire(class_number(round % kFirstLargeClass), kOwner, nullptr,
                                      SlotCount(1), SharedPool::Growth::kForbidden);
    ASSERT_NE(again.slab, nullptr);
    if (again.slab->slots == 1) {
      EXPECT_FALSE(again.zero);
    }
    pool().detach(again.slab);
    pool().release(again.slab);
  }
  EXPECT_NE(registry().superslab_of(base)->mask(SlotState::kEmpty), 0U);
}

TEST(SharedPool, GrowthCanBeForbidden) {
  open_registry();
  static SharedPool bare;
  const auto got =
      bare.acquire(ClassIndex(0), kOwner, nullptr, SlotCount(1), SharedPool::Growth::kForbidden);
  EXPECT_EQ(got.slab, nullptr);
  EXPECT_EQ(bare.stats().grows, 0U);
}

TEST(SharedPool, ALargeSlabChangesHandsByItsFirstTag) {
  open_registry();
  const ClassIndex c = class_of(300 << 10);
  Slab* slab = pool().acquire(c, kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed).slab;
  pool().change_owner(slab, OwnerId(78));
  EXPECT_EQ(registry().tag_of(slab->base), make_tag(OwnerId(78), c));
  EXPECT_EQ(registry().tag_of(slab->base + kSlotBytes.count()), kInteriorTag);
  pool().detach(slab);
  pool().release(slab);
}

TEST(SharedPool, AdoptionRetagsEverySlot) {
  open_registry();
  const ClassIndex c = class_of(28 << 10);
  Slab* slab = pool().acquire(c, kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed).slab;
  ASSERT_GT(slab->slots, 1);
  const uint32_t slots = slab->slots;
  pool().adopt(slab, OwnerId(79));
  for (uint32_t i = 0; i < slots; ++i) {
    EXPECT_EQ(registry().tag_of(slab->base + (size_t{i} << kSlotShift)), make_tag(OwnerId(79), c));
  }
  pool().detach(slab);
  pool().release(slab);
}

// A thread that vanished at fork between taking a slab's name off and forgetting it.
TEST(SharedPool, RepairFindsSlotsThatWereOnTheirWay) {
  PoolModel model;
  const PoolStats before = pool().stats();
  Slab* lost =
      pool()
          .acquire(class_of(20 << 10), kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed)
          .slab;
  const uintptr_t base = lost->base;
  const uint32_t slots = lost->slots;
  ASSERT_GT(slots, 1U);
  pool().detach(lost);
  EXPECT_EQ(pool().stats().active_slots, before.active_slots + slots);
  pool().repair_in_child();
  EXPECT_EQ(pool().stats().active_slots, before.active_slots);
  EXPECT_GE(pool().stats().empty_slots, slots);
  // Each of its slots may now begin a slab: nothing of the lost one's is left in their records.
  std::vector<Slab*> slabs;
  bool reused_a_tail = false;
  for (uint32_t i = 0; i < 2 * kSlotsPerSuperSlab; ++i) {
    Slab* slab =
        pool()
            .acquire(ClassIndex(i % 8), kOwner, nullptr, SlotCount(1), SharedPool::Growth::kAllowed)
            .slab;
    slabs.push_back(slab);
    reused_a_tail |= slab->base > base && slab->base < base + (size_t{slots} << kSlotShift);
    EXPECT_EQ(registry().slot_of(slab->base)->head(), slab) << i;
    EXPECT_FALSE(slab->listed) << i;
  }
  EXPECT_TRUE(reused_a_tail);
  for (Slab* slab : slabs) {
    slab->head_distance = 0;
    pool().detach(slab);
    pool().release(slab);
  }
}

TEST(SharedPoolDeathTest, ASlabIsReleasedOnce) {
  open_registry();
  EXPECT_DEATH(
      {
        Slab* slab = pool()
                         .acquire(class_of(1024), kOwner, nullptr, SlotCount(1),
                                  SharedPool::Growth::kAllowed)
                         .slab;
        const Slab record = *slab;
        pool().detach(slab);
        pool().release(slab);
        *slab = record;
        pool().release(slab);
      },
      "internal check failed");
}

// "Registry full" of the task notes: slots that come and go leave nothing behind.
TEST(SharedPool, AMillionTurnoversBringCommittedMemoryBackToWhereItBegan) {
  PoolModel model;
  const auto turn = [](uint32_t number) {
    const auto got = pool().acquire(class_number(number), kOwner, nullptr, SlotCount(1),
                                    SharedPool::Growth::kAllowed);
    if (got.slab == nullptr) return false;
    pool().detach(got.slab);
    pool().release(got.slab);
    if (number % 4096 == 0) pool().purge_all();
    return true;
  };
  for (uint32_t i = 0; i < kClasses; ++i) ASSERT_TRUE(turn(i));
  const Bytes committed = registry().committed();
  const PoolStats before = pool().stats();
  for (uint32_t i = 0; i < 1'000'000; ++i) ASSERT_TRUE(turn(i)) << i;
  pool().purge_all();
  const PoolStats after = pool().stats();
  EXPECT_EQ(registry().committed(), committed);
  EXPECT_EQ(after.grows, before.grows);
  EXPECT_EQ(after.acquires - before.acquires, 1'000'000U);
  EXPECT_EQ(after.releases - before.releases, 1'000'000U);
  EXPECT_EQ(after.active_slots, before.active_slots);
  EXPECT_EQ(after.empty_slots, 0U);
}

}  // namespace
}  // namespace hakmem
