// How much may be kept under a limit.
#include "pool/memory_limit.h"

#include <gtest/gtest.h>

#include "pool/shared_pool.h"

#include "unit/support.h"

namespace hakmem {
namespace {

TEST(MemoryLimit, WithoutOneEverythingMayStay) {
  MemoryLimit none;
  EXPECT_EQ(none.limit(), Bytes(SIZE_MAX));
  EXPECT_GT(none.spare(mib(1 << 20)), mib(1 << 30));
  EXPECT_FALSE(none.is_near(mib(1 << 30)));
}

TEST(MemoryLimit, UnusedAndUsedTogetherStayBelowThreeQuarters) {
  MemoryLimit limit;
  limit.set(mib(256));
  EXPECT_EQ(limit.spare(Bytes(0)), mib(192));
  EXPECT_EQ(limit.spare(mib(150)), mib(42));
  EXPECT_EQ(limit.spare(mib(192)), Bytes(0));
  EXPECT_EQ(limit.spare(mib(300)), Bytes(0));
  EXPECT_FALSE(limit.is_near(mib(224)));
  EXPECT_TRUE(limit.is_near(mib(224) + Bytes(1)));
}

TEST(MemoryLimit, TheOptionCountsMoreThanWhatWasFound) {
  MemoryLimit limit;
  limit.set(mib(64));
  const test::ScopedConfig option([](Config& config) { config.memory_limit_bytes = mib(100).count(); });
  EXPECT_EQ(limit.limit(), mib(100));
}

// 40 MiB come and go; 24 are three quarters of the limit.
TEST(MemoryLimit, ThePoolKeepsNoMoreThanThat) {
  const test::ScopedConfig option([](Config& config) { config.memory_limit_bytes = mib(32).count(); });
  const ClassIndex one_slot = class_of(kSlotBytes.count());
  if (registry().reservations() == 0) registry().open();
  const uint64_t active_before = pool().stats().active_slots;
  std::vector<Slab*> slabs;
  for (int i = 0; i < 640; ++i) {
    slabs.push_back(pool().acquire(one_slot, OwnerId(1), nullptr, SlotCount(1),
                                   SharedPool::Growth::kAllowed).slab);
    ASSERT_NE(slabs.back(), nullptr);
  }
  for (size_t i = 0; i < slabs.size(); ++i) {
    pool().detach(slabs[i]);
    pool().release(slabs[i]);
    const PoolStats stats = pool().stats();
    const size_t used = stats.active_slots + stats.empty_slots;
    // A SuperSlab more, so that one call gives back several slots; it comes down step by step.
    if (i > slabs.size() / 2) {
      EXPECT_LE(used << kSlotShift, (mib(24) + mib(4)).count());
    }
  }
  EXPECT_EQ(pool().stats().active_slots, active_before);
}

}  // namespace
}  // namespace hakmem
