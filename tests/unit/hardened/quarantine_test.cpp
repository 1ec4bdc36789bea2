#include "front/quarantine.h"

#include <gtest/gtest.h>

#include <set>

namespace hakmem {
namespace {

void* block(size_t number) { return reinterpret_cast<void*>(number * 16); }

TEST(Quarantine, EveryBlockLeavesOnceAndNoneBeforeTheQueueIsFull) {
  for (uint32_t c = 0; c < kFirstLargeClass; ++c) {
    Quarantine quarantine;
    const size_t half = quarantine_layout::half_entries(c);
    std::set<void*> left;
    const size_t count = 100 * half;
    for (size_t i = 1; i <= count; ++i) {
      void* leaving = quarantine.replace(ClassIndex(c), block(i));
      if (leaving == nullptr) continue;
      ASSERT_TRUE(left.insert(leaving).second);
      ASSERT_LE(reinterpret_cast<size_t>(leaving) / 16 + half, i);
    }
    quarantine.take_all([&](void* rest) { ASSERT_TRUE(left.insert(rest).second); });
    ASSERT_EQ(left.size(), count);
    quarantine.take_all([](void*) { ADD_FAILURE() << "a block is taken twice"; });
  }
}

TEST(Quarantine, EachHasAnOrderOfItsOwn) {
  const ClassIndex c(3);
  Quarantine first;
  Quarantine second;
  int different = 0;
  for (size_t i = 1; i <= 1000; ++i) {
    different += first.replace(c, block(i)) != second.replace(c, block(i)) ? 1 : 0;
  }
  EXPECT_GT(different, 500);
}

TEST(Quarantine, RemembersWhichBlocksAreRemote) {
  const ClassIndex c(3);
  Quarantine quarantine;
  size_t remote = 0;
  for (size_t i = 1; i <= 500; ++i) {
    const bool is_remote = i % 3 == 0;
    void* leaving = quarantine.replace(c, is_remote ? Quarantine::as_remote(block(i)) : block(i));
    if (leaving == nullptr) continue;
    const size_t number = reinterpret_cast<size_t>(Quarantine::block_of(leaving)) / 16;
    ASSERT_EQ(Quarantine::is_remote(leaving), number % 3 == 0);
    remote += Quarantine::is_remote(leaving) ? 1u : 0u;
  }
  ASSERT_GT(remote, 100u);
  quarantine.for_each([](const void* waiting) {
    ASSERT_EQ(reinterpret_cast<size_t>(waiting) % 16, 0u);
  });
  quarantine.take_all([](const void* waiting) {
    ASSERT_EQ(reinterpret_cast<size_t>(waiting) % 16, 0u);
  });
}

TEST(Quarantine, ClassesDoNotShare) {
  Quarantine quarantine;
  for (size_t i = 1; i <= 1000; ++i) {
    const uint32_t c = static_cast<uint32_t>(i % kFirstLargeClass);
    void* leaving = quarantine.replace(ClassIndex(c), block(i));
    if (leaving != nullptr) {
      ASSERT_EQ(reinterpret_cast<size_t>(leaving) / 16 % kFirstLargeClass, c);
    }
  }
}

}  // namespace
}  // namespace hakmem
