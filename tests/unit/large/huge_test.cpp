#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "os/process.h"

#include "unit/large/huge_support.h"
#include "unit/support.h"

namespace hakmem {
namespace {

constexpr size_t kPage = 4096;
using Contents = HugeBlocks::Contents;
using Blocks = test::OwnHugeBlocks;

TEST(Huge, ARetainedBlockIsReusedAndZeroesAreWrittenWhereTheyAreAskedFor) {
  Blocks blocks;
  char* block = blocks.get(3 << 20);
  for (const Contents contents : {Contents::kAny, Contents::kZero}) {
    block[12345] = 1;
    ASSERT_TRUE(blocks->release(block));
    EXPECT_EQ(blocks->stats().retained, mib(3));
    EXPECT_EQ(blocks.get(3 << 20, contents), block);
    EXPECT_EQ(blocks->stats().retained, Bytes(0));
    EXPECT_EQ(blocks->stats().maps, 1U);
    EXPECT_EQ(block[12345], contents == Contents::kZero ? 0 : 1);
  }
  block[12345] = 1;
  blocks->release(block);
  char* larger = blocks.get(4 << 20, Contents::kZero);
  EXPECT_EQ(blocks->stats().maps, 1U);
  EXPECT_TRUE(test::all_zero(larger, 4 << 20));
  blocks->release(larger);
}

TEST(Huge, ALargeBlockOfZeroesIsAlwaysFresh) {
  Blocks blocks;
  char* ballast = blocks.get(size_t{2} << 30);  // makes the retained share large
  char* block = blocks.get(64 << 20);
  block[12345] = 1;
  blocks->release(block);
  ASSERT_EQ(blocks->stats().retained, mib(64));
  char* zeroes = blocks.get(64 << 20, Contents::kZero);
  EXPECT_EQ(blocks->stats().maps, 3U);
  EXPECT_TRUE(test::all_zero(zeroes, 64 << 20));
  blocks->release(zeroes);
  blocks->release(ballast);
}

// A block of 3 MiB, and 2 MiB behind it.
char* in_front_of_two_retained(Blocks& blocks) {
  char* block = blocks.get(5 << 20);
  blocks->release(block);
  EXPECT_EQ(blocks.get(3 << 20), block);
  EXPECT_EQ(blocks->stats().retained, mib(2));
  return block;
}

TEST(Huge, ABlockGrowsIntoWhatIsRetainedBehindIt) {
  Blocks blocks;
  char* block = in_front_of_two_retained(blocks);
  block[0] = 42;
  EXPECT_EQ(blocks->resize(block, mib(4)), block);
  EXPECT_EQ(blocks->size_of(block), mib(4));
  EXPECT_EQ(blocks->resize(block, mib(5)), block);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EQ(block[0], 42);
  blocks->release(block);
}

TEST(Huge, WhatIsRetainedBehindIsNotEnough) {
  Blocks blocks;
  char* block = in_front_of_two_retained(blocks);
  block[0] = 42;
  char* moved = static_cast<char*>(blocks->resize(block, mib(9)));
  ASSERT_NE(moved, nullptr);
  EXPECT_EQ(blocks->size_of(moved), mib(9));
  EXPECT_EQ(moved[0], 42);
  moved[(9 << 20) - 1] = 1;
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EQ(blocks->stats().live, mib(9));
  blocks->release(moved);
}

TEST(Huge, ATailIsRetained) {
  Blocks blocks;
  char* block = blocks.get(7 << 20);
  EXPECT_EQ(blocks->resize(block, mib(4)), block);
  EXPECT_EQ(blocks->stats().retained, mib(3));
  EXPECT_EQ(blocks.get(3 << 20), block + mib(4).count());
  blocks->release(block + mib(4).count());
  blocks->release(block);
}

TEST(Huge, WhatIsTooSmallGrows) {
  Blocks blocks;
  char* block = blocks.get(3 << 20);
  block[12345] = 42;
  blocks->release(block);
  char* larger = blocks.get(4 << 20);
  EXPECT_EQ(larger[12345], 42) << "its pages are still there";
  larger[(4 << 20) - 1] = 1;
  EXPECT_EQ(blocks->stats().maps, 1U);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  blocks->release(larger);
}

TEST(Huge, WhatIsRetainedMakesWayForANewBlock) {
  Blocks blocks;
  blocks->release(blocks.get(64 << 20));
  ASSERT_EQ(blocks->stats().retained, mib(64));
  char* zeroes = blocks.get(48 << 20, Contents::kZero);  // too large to be made of what is retained
  EXPECT_LE(blocks->stats().retained, mib(48)) << "together half as much again as was live";
  blocks->release(zeroes);
}

TEST(Huge, UnderALimitLittleIsRetainedAndNothingNearIt) {
  Blocks blocks;
  const test::ScopedConfig limit([](Config& c) { c.memory_limit_bytes = mib(64).count(); });
  blocks->release(blocks.get(5 << 20));
  EXPECT_EQ(blocks->stats().retained, Bytes(0)) << "a sixteenth is 4 MiB";
  blocks->release(blocks.get(3 << 20));
  EXPECT_EQ(blocks->stats().retained, mib(3));
  char* ballast = blocks.get(47 << 20);
  blocks->purge_all();
  blocks->release(blocks.get(3 << 20));
  EXPECT_EQ(blocks->stats().retained, Bytes(0)) << "three quarters are in use";
  blocks->release(ballast);
}

// What the system is asked to move is what it has mapped.
TEST(Huge, ATailThatIsNotRetainedGoesToTheSystem) {
  Blocks blocks;
  char* block = blocks.get(64 << 20);
  EXPECT_EQ(blocks->resize(block, mib(8), HugeBlocks::Watch::kTicks), block);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EXIT(
      {
        signal(SIGSEGV, SIG_DFL);  // not a sanitizer's
        block[mib(8).count()] = 1;
      },
      testing::KilledBySignal(SIGSEGV), "");
  blocks->release(block);
}

TEST(Huge, ARetainedBlockMustFitTheAlignmentToo) {
  Blocks blocks;
  const Bytes alignment = mib(64);
  char* block = blocks.get(3 << 20);
  while (test::address_of(block) % alignment.count() == 0) block = blocks.get(3 << 20);
  blocks->release(block);
  char* aligned = blocks.get(3 << 20, Contents::kAny, alignment);
  EXPECT_NE(aligned, block);
  EXPECT_EQ(test::address_of(aligned) % alignment.count(), 0U);
  blocks->release(aligned);
}

TEST(Huge, RetentionEndsWithTheDecayTimeAndNotBefore) {
  Blocks blocks;
  const Milliseconds decay_time(config().decay_ms);
  const Milliseconds before = os::now_coarse();
  blocks->release(blocks.get(3 << 20));
  const Milliseconds after = os::now_coarse();
  EXPECT_EQ(blocks->decay(before, UINT64_MAX), Bytes(0));
  EXPECT_EQ(blocks->decay(before + decay_time - Milliseconds(1), UINT64_MAX), Bytes(0));
  EXPECT_EQ(blocks->decay(after + decay_time, UINT64_MAX), mib(3));
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EQ(blocks->stats().unmaps, 1U);
}

TEST(Huge, ADeadlineEndsAStep) {
  Blocks blocks;
  blocks->release(blocks.get(5 << 20));
  const Milliseconds later = os::now_coarse() + Milliseconds(config().decay_ms);
  EXPECT_EQ(blocks->decay(later, 0), mib(4));
  EXPECT_EQ(blocks->decay(later, 0), mib(1));
  EXPECT_EQ(blocks->decay(later, 0), Bytes(0));
}

TEST(Huge, TwoThreadsShareWhatIsRetained) {
  Blocks blocks;
  char* ballast = blocks.get(size_t{2} << 30);  // makes the retained share large
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over.load()) ASSERT_TRUE(blocks->release(blocks.get(64 << 20)));
  });
  for (uint32_t i = 0; i < 10'000; ++i) {
    const size_t size = (2 << 20) + (1 + i % 2) * kPage;
    char* block = blocks.get(size, Contents::kZero);
    ASSERT_TRUE(block[0] == 0 && block[size - 1] == 0);
    block[0] = block[size - 1] = 1;
    ASSERT_TRUE(blocks->release(block));
  }
  over = true;
  other.join();
  EXPECT_EQ(blocks->stats().live, Bytes(size_t{2} << 30));
  blocks->release(ballast);
}

TEST(Huge, NothingIsRetainedWithoutADecayTime) {
  Blocks blocks;
  const test::ScopedConfig none([](Config& c) { c.decay_ms = 0; });
  blocks->release(blocks.get(3 << 20));
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EQ(blocks->stats().unmaps, 1U);
}

TEST(Huge, WhereAThreadGivesBackItIsHalfAsMuchAgainAsWasLive) {
  Blocks blocks;
  std::vector<char*> many;
  for (uint32_t i = 0; i < 20; ++i) many.push_back(blocks.get(3 << 20));
  for (char* block : many) blocks->release(block);
  EXPECT_EQ(blocks->stats().retained, mib(60)) << "90 at most";
  char* fresh = blocks.get(40 << 20, Contents::kZero);
  EXPECT_EQ(blocks->stats().retained, mib(50)) << "unmapped before more was mapped";
  blocks->release(fresh);
  EXPECT_EQ(blocks->stats().retained, mib(90));
  char* larger = blocks.get(90 << 20, Contents::kAny, mib(64));
  EXPECT_EQ(blocks->stats().retained, mib(5)) << "beside 90, where 60 were live at most";
  blocks->release(larger);
  EXPECT_EQ(blocks->stats().retained, mib(95)) << "135 at most";
}

TEST(Huge, ALongPlateauCountsAsWhatWasLiveLately) {
  Blocks blocks;
  const test::ScopedConfig short_time([](Config& c) { c.decay_ms = 1; });
  char* block = blocks.get(64 << 20);
  const Milliseconds start = os::now_coarse();
  while (os::now_coarse() - start < Milliseconds(20)) std::this_thread::yield();
  EXPECT_EQ(blocks->resize(block, mib(32)), block);
  EXPECT_EQ(blocks->stats().retained, mib(32));
  blocks->release(block);
}

TEST(Huge, WhatWasLiveLongAgoDoesNotCount) {
  Blocks blocks;
  const test::ScopedConfig short_time([](Config& c) { c.decay_ms = 1; });
  char* block = blocks.get(40 << 20);
  blocks->release(blocks.get(60 << 20));
  EXPECT_EQ(blocks->stats().retained, mib(60));
  const Milliseconds start = os::now_coarse();
  while (os::now_coarse() - start < Milliseconds(20)) std::this_thread::yield();
  blocks->release(block);
  EXPECT_EQ(blocks->stats().retained, mib(60)) << "of late 40 were live, so that 60 may stay";
}

TEST(Huge, WhatCouldNotGrowIsStillThere) {
  Blocks blocks;
  char* ballast = blocks.get(16 << 20);
  char* block = blocks.get(8 << 20);
  // As mappings that came to lie side by side, which the system does not move together.
  ASSERT_EQ(mprotect(block + (4 << 20), kPage, PROT_READ), 0);
  block[(4 << 20) + kPage] = 42;
  blocks->release(block);
  ASSERT_EQ(blocks->stats().retained, mib(8));
  char* larger = blocks.get(9 << 20);
  ASSERT_NE(larger, nullptr);
  EXPECT_EQ(blocks->stats().retained, mib(8)) << "the range was not thrown away";
  EXPECT_EQ(blocks.get(8 << 20), block);
  EXPECT_EQ(block[(4 << 20) + kPage], 42);
  ASSERT_EQ(mprotect(block + (4 << 20), kPage, PROT_READ | PROT_WRITE), 0);
  blocks->release(block);
  blocks->release(larger);
  blocks->release(ballast);
}

TEST(Huge, ThousandsAreFoundAndForgotten) {
  Blocks blocks;
  std::vector<char*> all;
  for (uint32_t round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < 5000; ++i) {
      all.push_back(blocks.get(kPage));
      ASSERT_NE(all.back(), nullptr);
      *all.back() = static_cast<char>(i);
    }
    EXPECT_EQ(blocks->stats().blocks, 5000U);
    for (uint32_t i = 0; i < 5000; ++i) {
      ASSERT_EQ(blocks->size_of(all[i]), Bytes(kPage)) << i;
      ASSERT_EQ(*all[i], static_cast<char>(i));
      ASSERT_TRUE(blocks->release(all[i])) << i;
    }
    EXPECT_EQ(blocks->stats().blocks, 0U);
    EXPECT_EQ(blocks->stats().live, Bytes(0));
    all.clear();
  }
}

TEST(Huge, WhatIsNotOursIsNotReleased) {
  Blocks blocks;
  int local = 0;
  EXPECT_FALSE(blocks->release(&local));
  EXPECT_EQ(blocks->size_of(&local), Bytes(0));
  EXPECT_EQ(blocks->resize(&local, mib(3)), nullptr);
  char* block = blocks.get(3 << 20);
  EXPECT_FALSE(blocks->release(block + kPage));
  EXPECT_FALSE(blocks->release(block + 16));
  EXPECT_TRUE(blocks->release(block));
}

TEST(Huge, ImpossibleSizesAreRefusedAndChangeNothing) {
  Blocks blocks;
  char* block = blocks.get(3 << 20);
  block[0] = 42;
  for (const size_t size : {size_t{SIZE_MAX}, size_t{PTRDIFF_MAX}, size_t{1} << 60}) {
    EXPECT_EQ(blocks.get(size), nullptr) << size;
    EXPECT_EQ(blocks->resize(block, Bytes(size)), nullptr) << size;
  }
  EXPECT_EQ(blocks.get(3 << 20, Contents::kAny, Bytes(size_t{1} << 62)), nullptr);
  EXPECT_EQ(blocks->size_of(block), mib(3));
  EXPECT_EQ(block[0], 42);
  EXPECT_EQ(blocks->stats().blocks, 1U);
  blocks->release(block);
}

}  // namespace
}  // namespace hakmem
