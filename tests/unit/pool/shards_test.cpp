// Which shard an acquire is served from.
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "pool/shared_pool.h"

#include "unit/support.h"

namespace hakmem {
namespace {

using Growth = SharedPool::Growth;

constexpr OwnerId kAnna{1};
constexpr OwnerId kBert{2};

// A pool that has nothing yet, which would leave the process's one with holes in its sums: so each test has
// a process for itself.
class ShardsDeathTest : public testing::Test {
 protected:
  template <class Body>
  static void alone(Body body) {
    EXPECT_EXIT(
        {
          if (registry().reservations() == 0) registry().open();
          static SharedPool bare;
          body(bare);
          std::_Exit(HasFailure() ? 1 : 0);
        },
        testing::ExitedWithCode(0), "");
  }

  static Slab* acquire(SharedPool& pool, OwnerId owner, size_t size, Growth growth = Growth::kAllowed) {
    return pool.acquire(class_of(size), owner, nullptr, SlotCount(1), growth).slab;
  }
  static void release(SharedPool& pool, Slab* slab) {
    pool.detach(slab);
    pool.release(slab);
  }
  // Slabs of one slot, which are EMPTY afterwards but for the first `kept`.
  static void leave_empty(SharedPool& pool, OwnerId owner, size_t taken, size_t kept) {
    std::vector<Slab*> slabs;
    while (slabs.size() < taken) slabs.push_back(acquire(pool, owner, 64));
    for (size_t i = kept; i < taken; ++i) release(pool, slabs[i]);
  }
  static uint32_t shard_of(const Slab* slab) { return registry().superslab_of(slab->base)->shard(); }
};

TEST_F(ShardsDeathTest, EachOwnerOpensSuperSlabsOfItsOwn) {
  alone([](SharedPool& pool) {
    for (uint32_t i = 0; i < 40; ++i) {
      EXPECT_EQ(shard_of(acquire(pool, kAnna, 64)), kAnna.count());
      EXPECT_EQ(shard_of(acquire(pool, kBert, 64)), kBert.count());
    }
    const OwnerId as_anna(kAnna.count() + SharedPool::kShards);
    EXPECT_EQ(shard_of(acquire(pool, as_anna, 64)), kAnna.count());
    EXPECT_EQ(pool.stats().grows, 1U);
  });
}

TEST_F(ShardsDeathTest, WhatADrainedShardHasIsTakenBeforeFreshMemory) {
  alone([](SharedPool& pool) {
    leave_empty(pool, kAnna, 100, 0);
    const auto got =
        pool.acquire(class_of(64), kBert, nullptr, SlotCount(1), Growth::kForbidden);
    ASSERT_NE(got.slab, nullptr);
    EXPECT_EQ(shard_of(got.slab), kAnna.count());
    EXPECT_FALSE(got.zero);
  });
}

TEST_F(ShardsDeathTest, WhatAShardWillNeedItselfIsNot) {
  alone([](SharedPool& pool) {
    leave_empty(pool, kAnna, 60, 30);
    EXPECT_EQ(acquire(pool, kBert, 64, Growth::kForbidden), nullptr);
    EXPECT_EQ(shard_of(acquire(pool, kBert, 64)), kBert.count());
  });
}

TEST_F(ShardsDeathTest, OtherShardsAreAskedBeforeTheSystem) {
  alone([](SharedPool& pool) {
    acquire(pool, kAnna, 64);
    const uint64_t superslabs = pool.stats().unused_slots / kSlotsPerSuperSlab;
    for (uint64_t i = 0; i < superslabs; ++i) {
      EXPECT_EQ(shard_of(acquire(pool, kBert, 2 << 20)), kBert.count());
    }
    EXPECT_EQ(shard_of(acquire(pool, kBert, 64)), kAnna.count());
    EXPECT_EQ(pool.stats().grows, 1U);
  });
}

TEST_F(ShardsDeathTest, AHugeBlockTakesSlotsOfAnyShard) {
  alone([](SharedPool& pool) {
    for (const OwnerId owner : {kAnna, kBert}) release(pool, acquire(pool, owner, 64));
    bool zero = true;
    const SlotCount slots(kSlotsPerSuperSlab * 2);
    const uintptr_t base = pool.acquire_huge(slots, &zero);
    ASSERT_NE(base, 0U);
    EXPECT_FALSE(zero);
    EXPECT_EQ(pool.stats().active_slots, slots.count());
    EXPECT_NE(registry().superslab_of(base)->shard(),
              registry().superslab_of(base + kSuperSlabBytes.count())->shard());
    pool.release_huge(base, slots);
    EXPECT_EQ(pool.stats().active_slots, 0U);
    EXPECT_EQ(pool.stats().empty_slots, slots.count());
  });
}

// Each shard alone has no more EMPTY slots than it uses, or than always may stay.
TEST_F(ShardsDeathTest, WhatAllOfThemKeepIsBoundedByWhatAllOfThemUse) {
  alone([](SharedPool& pool) {
    std::vector<Slab*> berts;
    while (berts.size() < 600) berts.push_back(acquire(pool, kBert, 64));
    leave_empty(pool, kAnna, 300, 0);
    leave_empty(pool, OwnerId(3), 300, 0);
    for (size_t i = 0; i < 250; ++i) release(pool, berts[i]);
    const PoolStats stats = pool.stats();
    EXPECT_EQ(stats.active_slots, 350U);
    EXPECT_LE(stats.empty_slots, stats.active_slots + 2 * kSlotsPerSuperSlab);
  });
}

// Which a program that holds memory locked for a while would else pay for until the next trim.
TEST(PoolShard, ASuperSlabThatRefusedIsAskedAgainOnceItWasUsed) {
  static SuperSlab super;
  static PoolShard shard;
  shard.open(&super, kSuperSlabBytes.count(), 0);
  const PoolShard::Run run = shard.find_run(4, 1, nullptr, kAnna, nullptr);
  ASSERT_EQ(run.super, &super);
  const auto use_and_free = [&run] {
    shard.claim(run);
    shard.give_back(&super, run.mask());
  };
  use_and_free();
  ASSERT_EQ(shard.next_to_purge(nullptr), &super);
  shard.end_claim(&super, 0, shard.claim_empty(&super, run.slots));
  EXPECT_EQ(shard.empty_slots(), run.slots);
  EXPECT_EQ(shard.next_to_purge(nullptr), nullptr);
  use_and_free();
  EXPECT_EQ(shard.next_to_purge(nullptr), &super);
}

TEST_F(ShardsDeathTest, APurgeComesToAllOfThem) {
  alone([](SharedPool& pool) {
    const size_t slots = class_info(class_of(300 << 10)).slots;
    for (const OwnerId owner : {kAnna, kBert}) release(pool, acquire(pool, owner, 300 << 10));
    EXPECT_EQ(pool.purge_all(), Bytes(2 * slots << kSlotShift));
    EXPECT_EQ(pool.stats().empty_slots, 0U);
  });
}

}  // namespace
}  // namespace hakmem
