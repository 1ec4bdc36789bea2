// What makes a cache say that it fills the slabs it gets.
#include <gtest/gtest.h>

#include <vector>

#include "superslab/huge_page.h"

#include "unit/front/cache_access.h"
#include "unit/front/front_check.h"

namespace hakmem {
namespace {

using test::class_state;
using test::density_of;
using test::get;
using test::get_many;
using test::Owned;
using test::put_all;

const ClassIndex kClass = class_of(4096);
constexpr uint32_t kSlab = 16;
constexpr uint32_t kRow = 4;

class DenseGrowthTest : public test::FrontTest {
 protected:
  // 16 MiB and more, in large blocks: they say nothing of small ones.
  void SetUp() override {
    if (!superslabs_fit_huge_pages()) GTEST_SKIP() << "huge pages have another size";
    large_ = get_many(*cache_, class_of(2 << 20), 10);
  }
  void TearDown() override {
    put_all(*cache_, large_);
    FrontTest::TearDown();
  }

  // Huge pages asked for while it took so many slabs, starting with UNUSED ones only.
  uint64_t asked_for(ClassIndex c, uint32_t blocks) {
    pool().purge_all();
    const uint64_t before = pool().counters().huge_pages;
    for (uint32_t i = 0; i < blocks; ++i) taken_.push_back(get(*cache_, c));
    return pool().counters().huge_pages - before;
  }
  // Every slab but the one that is kept.
  void give_back() {
    for (void* block : taken_) ThreadCache::return_home(block);
    taken_.clear();
    while (void* block = cache_->pop(kClass)) ThreadCache::return_home(block);
  }

  Owned cache_;
  std::vector<void*> large_;
  std::vector<void*> taken_;
};

TEST_F(DenseGrowthTest, FromTheFifthSlabInARowOn) {
  for (uint32_t slabs = 1; slabs <= kRow; ++slabs) {
    EXPECT_EQ(density_of(*cache_, kClass), SharedPool::Density::kUnknown) << slabs;
    EXPECT_EQ(asked_for(kClass, kSlab), 0U);
  }
  EXPECT_EQ(density_of(*cache_, kClass), SharedPool::Density::kDense);
  // What is UNUSED in SuperSlabs in use comes first.
  EXPECT_GE(asked_for(kClass, 4 * kSlotsPerSuperSlab * kSlab), 1U);
  give_back();
}

TEST_F(DenseGrowthTest, ASlabThatGoesBackEndsTheRow) {
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(asked_for(kClass, kRow * kSlab), 0U) << round;
    EXPECT_GT(class_state(*cache_, kClass).slabs_in_row, 1) << round;
    give_back();
    EXPECT_EQ(class_state(*cache_, kClass).slabs_in_row, 0) << round;
  }
}

TEST_F(DenseGrowthTest, LargerBlocksMayHavePagesThatNobodyTouches) {
  EXPECT_EQ(asked_for(class_of(8192), 8 * 4 * kSlotsPerSuperSlab), 0U);
  put_all(*cache_, taken_);
}

TEST_F(DenseGrowthTest, AThreadDoesNotInheritARow) {
  EXPECT_EQ(asked_for(kClass, kRow * kSlab), 0U);
  EXPECT_EQ(class_state(*cache_, kClass).slabs_in_row, kRow);
  cache_->leave();
  EXPECT_EQ(class_state(*cache_, kClass).slabs_in_row, 0);
  give_back();
}

TEST_F(DenseGrowthTest, SlabsThatOthersAdoptAreNoLongerARow) {
  Owned left;
  std::vector<void*> blocks = get_many(*left, kClass, 3 * kSlab);
  std::vector<void*> some;
  for (uint32_t i = 0; i < 3; ++i) some.push_back(blocks[i * kSlab]);
  ThreadCache* parked = &*left;
  left.leave();
  class_state(*parked, kClass).slabs_in_row = 3;
  for (void* block : some) ThreadCache::return_home(block);
  const uint64_t adopted = cache_->stats().slabs_adopted.get();
  taken_.push_back(get(*cache_, kClass));
  EXPECT_EQ(cache_->stats().slabs_adopted.get(), adopted + 1);
  EXPECT_EQ(class_state(*parked, kClass).slabs_in_row, 0);
  for (uint32_t i = 0; i < blocks.size(); ++i) {
    if (i % kSlab != 0) ThreadCache::return_home(blocks[i]);
  }
  give_back();
}

}  // namespace
}  // namespace hakmem
