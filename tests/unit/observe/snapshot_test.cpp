#include "observe/snapshot.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "superslab/registry.h"
#include "observe/invariants.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem {
namespace {

std::unique_ptr<HeapSnapshot> snapshot() {
  auto taken = std::make_unique<HeapSnapshot>();
  take_snapshot(taken.get());
  return taken;
}

struct Sums {
  uint64_t slabs = 0;
  uint64_t blocks = 0;
  uint64_t free_blocks = 0;
  size_t bytes = 0;
  size_t free_bytes = 0;
  uint64_t slots = 0;
};

Sums add_up(const HeapSnapshot& heap) {
  Sums sums;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassSnapshot& c = heap.classes[i];
    const SizeClass& info = class_info(ClassIndex(i));
    EXPECT_LE(c.free_blocks + c.cached_blocks, heap.blocks(i)) << i;
    sums.slabs += heap.pool.slabs[i];
    sums.blocks += heap.blocks(i);
    sums.free_blocks += c.free_blocks;
    sums.bytes += heap.blocks(i) * info.block_bytes;
    sums.free_bytes += c.free_blocks * info.block_bytes;
    sums.slots += heap.pool.slabs[i] * info.slots;
  }
  return sums;
}

void expect_equations(const HeapSnapshot& heap) {
  const Sums sums = add_up(heap);
  const PoolStats& slots = heap.pool.stats;
  EXPECT_EQ((slots.unused_slots + slots.active_slots + slots.empty_slots) << kSlotShift,
            heap.committed.count());
  EXPECT_EQ(sums.slots, slots.active_slots);
  EXPECT_EQ(heap.free_in_slabs, Bytes(sums.free_bytes));
  EXPECT_EQ((heap.live + heap.cached + heap.free_in_slabs).count(),
            sums.bytes + heap.huge.live.count());
  EXPECT_LE(heap.purged_in_slabs, heap.free_in_slabs + Bytes(sums.slabs * kSlotBytes.count()));
  EXPECT_EQ(heap.footprint().count(), ((slots.active_slots + slots.empty_slots) << kSlotShift) -
                                          heap.purged_in_slabs.count() +
                                          heap.huge.live.count() + heap.huge.retained.count() +
                                          heap.meta.in_use.count());
  HeapWalk walk;
  ASSERT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
  EXPECT_EQ(walk.slabs, sums.slabs);
  EXPECT_EQ(walk.blocks, sums.blocks);
  EXPECT_EQ(walk.free_blocks, sums.free_blocks);
}

TEST(Snapshot, EquationsHoldThroughAHeapsLife) {
  std::vector<void*> blocks;
  test::Random random(5);
  for (uint32_t step = 0; step < 40; ++step) {
    for (uint32_t i = 0; i < 200; ++i) {
      const size_t range = size_t{64} << random.below(step % 4 == 3 ? 17 : 10);
      blocks.push_back(hak_malloc(random.below(range)));
    }
    for (uint32_t i = 0; i < 190; ++i) {
      std::swap(blocks[random.below(blocks.size())], blocks.back());
      hak_free(blocks.back());
      blocks.pop_back();
    }
    if (step % 10 == 9) hak_trim();
    expect_equations(*snapshot());
  }
  for (void* block : blocks) hak_free(block);
  hak_trim();
  const auto end = snapshot();
  expect_equations(*end);
  EXPECT_EQ(end->live, Bytes(0));
  EXPECT_EQ(end->cached, Bytes(0));
  EXPECT_EQ(end->pool.stats.active_slots, 0U);
}

TEST(Snapshot, LiveIsWhatTheProgramHolds) {
  hak_trim();
  ASSERT_EQ(snapshot()->live, Bytes(0));
  std::vector<void*> blocks;
  size_t usable = 0;
  for (const size_t size :
       {size_t{10}, size_t{1000}, size_t{30'000}, size_t{500'000}, size_t{3} << 20}) {
    blocks.push_back(hak_malloc(size));
    usable += hak_usable_size(blocks.back());
  }
  hak_thread_idle();  // what is cached is counted at slow paths: nothing is, now
  const auto taken = snapshot();
  EXPECT_EQ(taken->live, Bytes(usable));
  EXPECT_EQ(taken->cached, Bytes(0));
  EXPECT_EQ(taken->huge.blocks, 1U);
  EXPECT_EQ(taken->huge.live, mib(3));
  EXPECT_EQ(taken->pool.slabs[class_of(500'000).count()], 1U);
  for (void* block : blocks) hak_free(block);
}

TEST(Snapshot, CountsCachesAndTheirBlocks) {
  std::vector<void*> blocks;
  for (uint32_t i = 0; i < 3000; ++i) blocks.push_back(hak_malloc(100));
  for (void* block : blocks) hak_free(block);
  const auto taken = snapshot();
  EXPECT_GE(taken->caches, 1U);
  EXPECT_LT(taken->parked_caches, taken->caches);
  EXPECT_GT(taken->cached, Bytes(0));
  expect_equations(*taken);
  hak_trim();
  EXPECT_EQ(snapshot()->cached, Bytes(0));
}

}  // namespace
}  // namespace hakmem
