#include "large/retained_ranges.h"

#include <gtest/gtest.h>

#include "large/retain_bound.h"

namespace hakmem {
namespace {

using Range = RetainedRanges::Range;
constexpr size_t kMiB = 1 << 20;
constexpr Milliseconds kEver{UINT64_MAX};

Range range(uintptr_t address, size_t size, uint64_t since = 0) { return Range{address, size, Milliseconds(since)}; }

TEST(RetainedRanges, TheSmallestThatIsLargeEnoughGivesItsFront) {
  RetainedRanges ranges;
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 8 * kMiB)));
  ASSERT_TRUE(ranges.put(range(200 * kMiB, 5 * kMiB)));
  ASSERT_TRUE(ranges.put(range(300 * kMiB, 3 * kMiB)));
  EXPECT_EQ(ranges.take(4 * kMiB, 1).address, 200 * kMiB);
  EXPECT_EQ(ranges.bytes(), 12 * kMiB);
  EXPECT_EQ(ranges.take(kMiB, 1).address, 204 * kMiB);
  EXPECT_EQ(ranges.count(), 2U);
  EXPECT_EQ(ranges.take(9 * kMiB, 1).address, 0U);
  EXPECT_EQ(ranges.take(8 * kMiB, 1).address, 100 * kMiB);
  EXPECT_EQ(ranges.bytes(), 3 * kMiB);
}

TEST(RetainedRanges, AFrontThatIsNotAlignedWillNotDo) {
  RetainedRanges ranges;
  ASSERT_TRUE(ranges.put(range(101 * kMiB, 4 * kMiB)));
  ASSERT_TRUE(ranges.put(range(200 * kMiB, 8 * kMiB)));
  EXPECT_EQ(ranges.take(3 * kMiB, 4 * kMiB).address, 200 * kMiB);
  EXPECT_EQ(ranges.take(3 * kMiB, 4 * kMiB).address, 0U);
}

TEST(RetainedRanges, NoCrumbIsLeft) {
  RetainedRanges ranges;
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 32 * kMiB + 4096)));
  EXPECT_EQ(ranges.take(31 * kMiB, 1).size, 32 * kMiB + 4096);
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 32 * kMiB + 4096)));
  EXPECT_EQ(ranges.take(30 * kMiB, 1).size, 30 * kMiB);
  EXPECT_EQ(ranges.take_at(130 * kMiB, 2 * kMiB), 2 * kMiB + 4096);
  EXPECT_EQ(ranges.count(), 0U);
}

TEST(RetainedRanges, WhatComesBackIsJoinedOnBothSides) {
  RetainedRanges ranges;
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 2 * kMiB)));
  ASSERT_TRUE(ranges.put(range(103 * kMiB, 2 * kMiB)));
  ASSERT_TRUE(ranges.put(range(102 * kMiB, kMiB)));
  EXPECT_EQ(ranges.count(), 1U);
  EXPECT_EQ(ranges.bytes(), 5 * kMiB);
  EXPECT_EQ(ranges.take(5 * kMiB, 1).address, 100 * kMiB);
  EXPECT_EQ(ranges.bytes(), 0U);
}

TEST(RetainedRanges, ABlockGrowsByTheFrontOfTheRangeBehindIt) {
  RetainedRanges ranges;
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 4 * kMiB)));
  EXPECT_EQ(ranges.take_at(101 * kMiB, kMiB), 0U);
  EXPECT_EQ(ranges.take_at(100 * kMiB, kMiB), kMiB);
  EXPECT_EQ(ranges.take_at(100 * kMiB, kMiB), 0U);
  EXPECT_EQ(ranges.take_at(101 * kMiB, 9 * kMiB), 3 * kMiB);
  EXPECT_EQ(ranges.count(), 0U);
}

TEST(RetainedRanges, TheLargestThatIsSmallerAndNone) {
  RetainedRanges ranges;
  EXPECT_EQ(ranges.take_largest_below(SIZE_MAX).size, 0U);
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 2 * kMiB)));
  ASSERT_TRUE(ranges.put(range(200 * kMiB, 4 * kMiB)));
  ASSERT_TRUE(ranges.put(range(300 * kMiB, 8 * kMiB)));
  EXPECT_EQ(ranges.take_largest_below(8 * kMiB).address, 200 * kMiB);
  EXPECT_EQ(ranges.take_largest_below(2 * kMiB).size, 0U);
  EXPECT_EQ(ranges.bytes(), 10 * kMiB);
}

TEST(RetainedRanges, WhatTheSystemWouldNotGrowIsNotOfferedAgain) {
  RetainedRanges ranges;
  Range stuck = range(200 * kMiB, 4 * kMiB);
  stuck.is_stuck = true;
  ASSERT_TRUE(ranges.put(stuck));
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 2 * kMiB)));
  EXPECT_EQ(ranges.take(kMiB, 1).address, 100 * kMiB);
  ASSERT_TRUE(ranges.put(range(204 * kMiB, kMiB)));
  EXPECT_EQ(ranges.take_largest_below(8 * kMiB).address, 101 * kMiB);
  EXPECT_EQ(ranges.take_largest_below(8 * kMiB).size, 0U) << "nor is what was joined to it";
  EXPECT_EQ(ranges.take(5 * kMiB, 1).address, 200 * kMiB);
}

TEST(RetainedRanges, TheOldestGivesItsEnd) {
  RetainedRanges ranges;
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 4 * kMiB, 20)));
  ASSERT_TRUE(ranges.put(range(200 * kMiB, 4 * kMiB, 10)));
  EXPECT_EQ(ranges.take_oldest(Milliseconds(9), SIZE_MAX).size, 0U);
  const Range end = ranges.take_oldest(kEver, kMiB);
  EXPECT_EQ(end.address, 203 * kMiB);
  EXPECT_EQ(end.size, kMiB);
  EXPECT_EQ(ranges.bytes(), 7 * kMiB);
  EXPECT_EQ(ranges.take_oldest(Milliseconds(10), SIZE_MAX).size, 3 * kMiB);
  EXPECT_EQ(ranges.take_oldest(Milliseconds(19), SIZE_MAX).size, 0U);
  EXPECT_EQ(ranges.take_oldest(Milliseconds(20), SIZE_MAX).address, 100 * kMiB);
}

TEST(RetainedRanges, ARangeIsAsOldAsItsLargerPart) {
  RetainedRanges ranges;
  ASSERT_TRUE(ranges.put(range(100 * kMiB, 4 * kMiB, 10)));
  ASSERT_TRUE(ranges.put(range(104 * kMiB, kMiB, 20)));
  EXPECT_EQ(ranges.take_oldest(Milliseconds(10), SIZE_MAX).size, 5 * kMiB);
  ASSERT_TRUE(ranges.put(range(100 * kMiB, kMiB, 10)));
  ASSERT_TRUE(ranges.put(range(101 * kMiB, 4 * kMiB, 20)));
  EXPECT_EQ(ranges.take_oldest(Milliseconds(19), SIZE_MAX).size, 0U);
}

TEST(RetainedRanges, TooManyAreRefusedUnlessTheyJoin) {
  RetainedRanges ranges;
  for (size_t i = 0; i < RetainedRanges::kMax; ++i) ASSERT_TRUE(ranges.put(range((i + 1) * 4 * kMiB, kMiB)));
  const size_t bytes = ranges.bytes();
  EXPECT_FALSE(ranges.put(range(4000 * kMiB, kMiB)));
  EXPECT_EQ(ranges.bytes(), bytes);
  EXPECT_TRUE(ranges.put(range(5 * kMiB, kMiB)));
  EXPECT_EQ(ranges.bytes(), bytes + kMiB);
}

constexpr Bytes kLeast = mib(5);
constexpr Milliseconds kDecay{1000};

TEST(RetainBound, WhatWasUnmappedAndMissedMayStayNextTimeAndMore) {
  RetainBound bound;
  EXPECT_EQ(bound.unwatched(Bytes(0)), kLeast);
  EXPECT_EQ(bound.unwatched(mib(160)), mib(10));
  bound.note_unmapped(kib(2048), Milliseconds(5000), kDecay);
  EXPECT_EQ(bound.unwatched(Bytes(0)), kLeast);
  bound.note_mapped(kib(512), Milliseconds(5100), kDecay);
  const Bytes once = bound.unwatched(Bytes(0));
  EXPECT_GE(once, kLeast + kib(512));
  bound.note_mapped(mib(100), Milliseconds(6000), kDecay);
  const size_t times = (once - kLeast).count() / kib(512).count();
  EXPECT_EQ(bound.unwatched(Bytes(0)), kLeast + kib(2048 * times)) << "no more than was unmapped";
  bound.note_unused(kib(768));
  EXPECT_EQ(bound.unwatched(Bytes(0)), kLeast + kib(1280 * times));
  bound.note_unused(kib(1536));
  EXPECT_EQ(bound.unwatched(Bytes(0)), kLeast);
}

TEST(RetainBound, HoweverMuchWasMissedTheProcessMayFallAsleepOnIt) {
  RetainBound bound;
  bound.note_unmapped(mib(1000), Milliseconds(5000), kDecay);
  bound.note_mapped(mib(1000), Milliseconds(5000), kDecay);
  EXPECT_EQ(bound.unwatched(Bytes(0)), mib(66));
  EXPECT_EQ(bound.unwatched(mib(100)), mib(200)) << "twice what the heap has";
  EXPECT_EQ(RetainBound::unwatched_most(mib(100)), mib(200));
  bound.forget();
  EXPECT_EQ(bound.unwatched(mib(1600)), mib(100));
}

TEST(RetainBound, LaterThanTheDecayTimeNothingIsMissed) {
  RetainBound bound;
  bound.note_unmapped(mib(8), Milliseconds(5000), kDecay);
  bound.note_mapped(mib(8), Milliseconds(6001), kDecay);
  EXPECT_EQ(bound.unwatched(Bytes(0)), kLeast);
  bound.note_unmapped(mib(1), Milliseconds(7000), kDecay);
  bound.note_mapped(mib(8), Milliseconds(7001), kDecay);
  const Bytes one = bound.unwatched(Bytes(0));
  bound.forget();
  EXPECT_EQ(bound.unwatched(Bytes(0)), kLeast);
  bound.note_unmapped(mib(8), Milliseconds(8000), kDecay);
  bound.note_unmapped(mib(1), Milliseconds(9001), kDecay);
  bound.note_mapped(mib(8), Milliseconds(9002), kDecay);
  EXPECT_EQ(bound.unwatched(Bytes(0)), one) << "the eight were not missed in time";
}

TEST(RetainBound, WithWhatIsLiveHalfAsMuchAgainAsTheMostThatWas) {
  RetainBound bound;
  EXPECT_EQ(bound.beside(mib(2)), kLeast);
  bound.note_live(mib(100), Milliseconds(5000), kDecay);
  EXPECT_EQ(bound.beside(mib(100)), mib(50));
  EXPECT_EQ(bound.beside(mib(30)), mib(120));
  EXPECT_EQ(bound.beside(mib(149)), kLeast);
  EXPECT_EQ(bound.beside(mib(300)), kLeast);
}

TEST(RetainBound, APeakIsForgottenAfterOneToThreeDecayTimes) {
  RetainBound bound;
  bound.note_live(mib(100), Milliseconds(5000), kDecay);
  bound.note_live(mib(30), Milliseconds(5900), kDecay);
  bound.note_live(mib(40), Milliseconds(6001), kDecay);
  EXPECT_EQ(bound.beside(Bytes(0)), mib(150)) << "the decay time before counts too";
  bound.note_live(mib(20), Milliseconds(7002), kDecay);
  EXPECT_EQ(bound.beside(Bytes(0)), mib(60));
  bound.note_live(mib(10), Milliseconds(9003), kDecay);
  EXPECT_EQ(bound.beside(Bytes(0)), mib(15)) << "there was a decay time without anything";
}

}  // namespace
}  // namespace hakmem
