// Huge blocks where only ticks give back, so that the process may fall asleep on what is retained.
#include <gtest/gtest.h>

#include <vector>

#include "os/process.h"
#include "superslab/registry.h"

#include "unit/large/huge_support.h"

namespace hakmem {
namespace {

using Blocks = test::OwnHugeBlocks;
constexpr auto kTicks = HugeBlocks::Watch::kTicks;

// Retained blocks are a sixteenth of the heap, or a block or two of a small one, if nothing was missed.
Bytes retain_limit(size_t live) {
  const size_t share = (registry().committed().count() + live) / 16;
  return share < mib(5).count() ? mib(5) : Bytes(share);
}

TEST(HugeUnwatched, AProgramThatTakesAndFreesDoesWithoutTheSystem) {
  Blocks blocks;
  char* first = blocks.get(64 << 20);
  blocks->release(first, kTicks);
  EXPECT_EQ(blocks->stats().retained, Bytes(0)) << "it may have been the only one";
  blocks->release(blocks.get(64 << 20), kTicks);
  EXPECT_EQ(blocks->stats().retained, mib(64)) << "it was missed";
  const uint64_t maps = blocks->stats().maps;
  for (uint32_t i = 1; i < 20; ++i) blocks->release(blocks.get(i * (3 << 20)), kTicks);
  EXPECT_EQ(blocks->stats().maps, maps);
  const Milliseconds later = os::now_coarse() + Milliseconds(config().decay_ms);
  EXPECT_EQ(blocks->decay(later, UINT64_MAX), mib(64));
  blocks->release(blocks.get(64 << 20), kTicks);
  EXPECT_EQ(blocks->stats().retained, Bytes(0)) << "it was not for a decay time";
}

TEST(HugeUnwatched, APurgeForgetsWhatWasMissed) {
  Blocks blocks;
  for (int i = 0; i < 2; ++i) blocks->release(blocks.get(64 << 20), kTicks);
  EXPECT_EQ(blocks->purge_all(), mib(64));
  blocks->release(blocks.get(64 << 20), kTicks);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
}

TEST(HugeUnwatched, WhereOnlyTicksGiveBackThereIsLessToFallAsleepOn) {
  Blocks blocks;
  const size_t large = size_t{2} << 30;
  for (int i = 0; i < 3; ++i) blocks->release(blocks.get(large), kTicks);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  char* block = blocks.get(large);
  EXPECT_EQ(blocks->resize(block, mib(8), kTicks), block);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  blocks->release(block, kTicks);
  EXPECT_EQ(blocks->stats().retained, mib(8));
  blocks->release(blocks.get(large));
  EXPECT_EQ(blocks->stats().retained, Bytes(large));
  blocks->release(blocks.get(3 << 20), kTicks);
  EXPECT_EQ(blocks->stats().retained, mib(66)) << "nothing is live any more";
}

// What 96 missed MiB teach is forgotten when twice 64 lay unused; refused because it would be more than the process
// may fall asleep on, they teach nothing.
TEST(HugeUnwatched, WhatNoLessonWouldHelpIsNotLearned) {
  Blocks blocks;
  for (int i = 0; i < 3; ++i) blocks->release(blocks.get(96 << 20), kTicks);
  ASSERT_EQ(blocks->stats().retained, Bytes(0));
  for (int i = 0; i < 2; ++i) {
    blocks->release(blocks.get(64 << 20), kTicks);
    ASSERT_EQ(blocks->stats().retained, mib(64));
    const Milliseconds later = os::now_coarse() + Milliseconds(config().decay_ms);
    EXPECT_EQ(blocks->decay(later, UINT64_MAX), mib(64));
  }
  blocks->release(blocks.get(64 << 20), kTicks);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
}

TEST(HugeUnwatched, AShrinkingBlockLeavesNoMoreToFallAsleepOn) {
  Blocks blocks;
  char* large = blocks.get(size_t{1} << 30);
  blocks->release(blocks.get(size_t{512} << 20));  // as if a thread had watched
  ASSERT_EQ(blocks->stats().retained, mib(512));
  ASSERT_NE(blocks->resize(large, mib(4), kTicks), nullptr);
  EXPECT_LE(blocks->stats().retained, mib(66));
}

TEST(HugeUnwatched, WhereOnlyTicksGiveBackItIsAShareOfTheHeap) {
  for (const size_t ballast_mib : {1u, 256u}) {
    Blocks blocks;
    char* ballast = blocks.get(ballast_mib << 20);
    std::vector<char*> many;
    for (uint32_t i = 0; i < 20; ++i) many.push_back(blocks.get(3 << 20));
    size_t most = 0;
    for (char* block : many) {
      const size_t live = blocks->stats().live.count();
      blocks->release(block, kTicks);
      const size_t retained = blocks->stats().retained.count();
      if (retained <= most) continue;
      EXPECT_LE(Bytes(retained), retain_limit(live));
      most = retained;
    }
    EXPECT_GE(Bytes(most + mib(3).count()), retain_limit(ballast_mib << 20)) << "it is made use of";
    blocks->release(ballast);
  }
}

}  // namespace
}  // namespace hakmem
