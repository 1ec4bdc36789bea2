// When the pool asks for huge pages, and that they are split before a part of them goes back.
#include <gtest/gtest.h>

#include <vector>

#include "superslab/huge_page.h"
#include "pool/memory_limit.h"
#include "pool/shared_pool.h"

#include "unit/pool/pool_model.h"
#include "unit/support.h"

namespace hakmem {
namespace {

using Density = SharedPool::Density;

constexpr size_t kAtLeast = size_t{16} << 20 >> kSlotShift;

// One-slot slabs of an owner whose shard nobody else uses here; all given back at the end.
class DenseGrowth : public testing::Test {
 protected:
  void SetUp() override {
    if (!superslabs_fit_huge_pages()) GTEST_SKIP() << "huge pages have another size";
    if (registry().reservations() == 0) registry().open();
    pool().purge_all();
  }
  void TearDown() override {
    while (!slabs_.empty()) release_last();
    pool().purge_all();
  }

  Slab* acquire(Density density) {
    Slab* slab = pool()
                     .acquire(class_of(64), OwnerId(5), nullptr, SlotCount(1), SharedPool::Growth::kAllowed, density)
                     .slab;
    slabs_.push_back(slab);
    return slab;
  }
  void acquire_many(size_t slots, Density density) {
    for (size_t i = 0; i < slots; ++i) ASSERT_NE(acquire(density), nullptr);
  }
  void acquire_until_asked() {
    const uint64_t before = asked();
    for (size_t i = 0; i < 4 * kSlotsPerSuperSlab && asked() == before; ++i) {
      ASSERT_NE(acquire(Density::kDense), nullptr);
    }
    ASSERT_EQ(asked(), before + 1);
  }
  void release_first() {
    pool().detach(slabs_.front());
    pool().release(slabs_.front());
    slabs_.erase(slabs_.begin());
  }
  void release_last() {
    pool().detach(slabs_.back());
    pool().release(slabs_.back());
    slabs_.pop_back();
  }
  static uint64_t asked() { return pool().counters().huge_pages; }

  std::vector<Slab*> slabs_;
};

TEST_F(DenseGrowth, BeginsAtSixteenMebibytes) {
  const uint64_t before = asked();
  acquire_many(kAtLeast, Density::kDense);
  EXPECT_EQ(asked(), before);
  acquire_many(4 * kSlotsPerSuperSlab, Density::kDense);
  // What UNUSED slots there were in SuperSlabs in use came first.
  EXPECT_GE(asked(), before + 3);
  EXPECT_LE(asked(), before + 5);
}

TEST_F(DenseGrowth, TheRestOfTheSuperSlabIsEmptyAndForThoseWhoFillIt) {
  acquire_many(kAtLeast, Density::kUnknown);
  acquire_until_asked();
  const uint64_t before = asked();
  SuperSlab* super = registry().superslab_of(slabs_.back()->base);
  EXPECT_TRUE(super->may_have_huge_page.load());
  EXPECT_EQ(super->count(SlotState::kActive), SlotCount(1));
  EXPECT_EQ(super->count(SlotState::kEmpty), SlotCount(kSlotsPerSuperSlab - 1));
  for (uint32_t i = 1; i < kSlotsPerSuperSlab; ++i) {
    EXPECT_NE(registry().superslab_of(acquire(Density::kUnknown)->base), super);
    EXPECT_EQ(registry().superslab_of(acquire(Density::kDense)->base), super);
  }
  EXPECT_EQ(asked(), before);
  // It was full once: now it is like any other.
  release_last();
  EXPECT_EQ(registry().superslab_of(acquire(Density::kUnknown)->base), super);
}

TEST_F(DenseGrowth, IsForWhoSaysThatItFillsWhatItGets) {
  const uint64_t before = asked();
  acquire_many(kAtLeast + 4 * kSlotsPerSuperSlab, Density::kUnknown);
  EXPECT_EQ(asked(), before);
}

TEST_F(DenseGrowth, NotWhereTheUserOrThePressureSaysNo) {
  acquire_many(kAtLeast, Density::kUnknown);
  const uint64_t before = asked();
  for (const AutoSwitch no : {AutoSwitch::kOff, AutoSwitch::kOn}) {
    const test::ScopedConfig option([no](Config& config) { config.thp = no; });
    acquire_many(2 * kSlotsPerSuperSlab, Density::kDense);
  }
  {
    const test::ScopedConfig option([](Config& config) { config.decay_ms = 0; });
    acquire_many(2 * kSlotsPerSuperSlab, Density::kDense);
  }
  {
    const test::ScopedConfig option([](Config& config) { config.memory_limit_bytes = mib(24).count(); });
    acquire_many(2 * kSlotsPerSuperSlab, Density::kDense);
  }
  memory_limit().set_rung(MemoryLimit::Rung::kKeepNothing);
  acquire_many(2 * kSlotsPerSuperSlab, Density::kDense);
  memory_limit().set_rung(MemoryLimit::Rung::kCalm);
  EXPECT_EQ(asked(), before);
  acquire_many(2 * kSlotsPerSuperSlab, Density::kDense);
  EXPECT_GT(asked(), before);
}

TEST_F(DenseGrowth, APurgeOfAPartSplitsThePageOnce) {
  acquire_many(kAtLeast, Density::kUnknown);
  acquire_until_asked();
  Slab* slab = slabs_.back();
  SuperSlab* super = registry().superslab_of(slab->base);
  const auto live = reinterpret_cast<unsigned char*>(slab->base);
  for (size_t i = 0; i < kSlotBytes.count(); ++i) live[i] = static_cast<unsigned char>(i | 1);
  const uintptr_t other = slab->base == super->base() ? slab->base + kSlotBytes.count() : super->base();
  *reinterpret_cast<unsigned char*>(other) = 9;
  pool().purge_all();
  EXPECT_FALSE(super->may_have_huge_page.load());
  EXPECT_EQ(super->count(SlotState::kUnused), SlotCount(kSlotsPerSuperSlab - 1));
  EXPECT_EQ(*reinterpret_cast<unsigned char*>(other), 0);
  for (size_t i = 0; i < kSlotBytes.count(); ++i) ASSERT_EQ(live[i], static_cast<unsigned char>(i | 1)) << i;
}

TEST_F(DenseGrowth, ScatteredFreeSlotsComeFirst) {
  acquire_many(kAtLeast + 4 * kSlotsPerSuperSlab, Density::kUnknown);
  std::vector<Slab*> stay;
  for (size_t i = 0; i < slabs_.size(); ++i) {
    if (i % 16 == 0) {
      pool().detach(slabs_[i]);
      pool().release(slabs_[i]);
    } else {
      stay.push_back(slabs_[i]);
    }
  }
  const size_t gone = slabs_.size() - stay.size();
  slabs_ = stay;
  pool().purge_all();
  const uint64_t before = asked();
  acquire_many(gone, Density::kDense);
  EXPECT_EQ(asked(), before);
  acquire_many(2 * kSlotsPerSuperSlab, Density::kDense);
  EXPECT_GE(asked(), before + 1);
}

// The curve would take a slot of them at its first turn, and with it the page.
TEST_F(DenseGrowth, TheLastPageAskedForStaysWholeUntilNobodyComesForIt) {
  acquire_many(kAtLeast + 2 * kSlotsPerSuperSlab, Density::kUnknown);
  acquire_until_asked();
  SuperSlab* super = registry().superslab_of(slabs_.back()->base);
  const uint32_t rest = kSlotsPerSuperSlab - 1;
  uint64_t& now = test::pool_clock_ms();
  const uint64_t epoch = config().decay_ms / Decay::kEpochs + 2;
  for (uint32_t i = 0; i < 3; ++i) pool().decay(Milliseconds(now += epoch), UINT64_MAX);
  EXPECT_EQ(super->count(SlotState::kEmpty), SlotCount(rest));
  // Others are not spared, and it was no refusal.
  for (uint32_t i = 0; i < 40; ++i) release_first();
  const uint64_t empty = pool().stats().empty_slots;
  for (uint32_t i = 0; i < 5; ++i) pool().decay(Milliseconds(now += epoch), UINT64_MAX);
  EXPECT_LT(pool().stats().empty_slots, empty);
  EXPECT_EQ(super->count(SlotState::kEmpty), SlotCount(rest));
  for (uint32_t i = 0; i < 2 * Decay::kEpochs; ++i) pool().decay(Milliseconds(now += epoch), UINT64_MAX);
  EXPECT_EQ(super->count(SlotState::kUnused), SlotCount(rest));
  EXPECT_EQ(pool().stats().empty_slots, 0U);
}

// One that was given back whole may have another huge page.
TEST_F(DenseGrowth, AWhollyUnusedSuperSlabIsAskedForAgain) {
  acquire_many(kAtLeast, Density::kUnknown);
  const size_t few = slabs_.size();
  acquire_many(8 * kSlotsPerSuperSlab, Density::kDense);
  const Bytes committed = registry().committed();
  while (slabs_.size() > few) release_last();
  pool().purge_all();
  const uint64_t before = asked();
  acquire_many(7 * kSlotsPerSuperSlab, Density::kDense);
  EXPECT_GE(asked(), before + 6);
  EXPECT_EQ(registry().committed(), committed);
}

}  // namespace
}  // namespace hakmem
