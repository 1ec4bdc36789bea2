// What is known of the density of huge blocks.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "large/huge_density.h"

namespace hakmem {
namespace {

constexpr Bytes kNothing{0};

TEST(HugeDensity, ADenseBlockSpeaksForTwiceItsSize) {
  HugeDensity density;
  EXPECT_FALSE(density.expects(mib(2), kNothing, kNothing));
  density.note(mib(8), true);
  EXPECT_TRUE(density.expects(mib(16), kNothing, kNothing));
  EXPECT_FALSE(density.expects(mib(17), kNothing, kNothing));
  density.note(mib(16), true);
  density.note(mib(4), true);
  EXPECT_TRUE(density.expects(mib(32), kNothing, kNothing));
}

TEST(HugeDensity, ASparseBlockEndsThat) {
  HugeDensity density;
  for (int i = 0; i < 9; ++i) density.note(mib(8), true);
  density.note(mib(3), false);
  EXPECT_FALSE(density.expects(mib(2), kNothing, kNothing));
  density.note(mib(3), true);
  EXPECT_TRUE(density.expects(mib(6), kNothing, kNothing));
  EXPECT_FALSE(density.expects(mib(7), kNothing, kNothing)) << "what was known before is forgotten";
}

// However many blocks come that stay for ever and are sparse.
TEST(HugeDensity, ForEightTimesWhatWasSeenAtATime) {
  HugeDensity density;
  density.note(mib(4), true);
  EXPECT_TRUE(density.expects(mib(8), mib(24), kNothing));
  EXPECT_FALSE(density.expects(mib(8), mib(25), kNothing));
  for (int i = 0; i < 1000; ++i) density.note(mib(4), true);
  EXPECT_TRUE(density.expects(mib(8), mib(56), kNothing));
  EXPECT_FALSE(density.expects(mib(8), mib(57), kNothing)) << "little is saved up for later";
}

TEST(HugeDensity, AWholeBlockMayBeLarger) {
  HugeDensity density;
  density.note_whole(mib(16));
  EXPECT_FALSE(density.expects(mib(2), kNothing, kNothing)) << "it was not seen in small pages";
  density.note(mib(4), true);
  EXPECT_FALSE(density.expects(mib(16), kNothing, kNothing)) << "nor remembered";
  density.note_whole(mib(8));
  EXPECT_TRUE(density.expects(mib(16), mib(16), kNothing));
  EXPECT_FALSE(density.expects(mib(16), mib(17), kNothing)) << "for no more bytes";
  for (int i = 0; i < 1000; ++i) density.note(mib(4), true);
  EXPECT_TRUE(density.expects(mib(16), mib(48), kNothing));
  EXPECT_FALSE(density.expects(mib(16), mib(49), kNothing)) << "nor later";
}

// Each of the blocks that were seen to be full is one of eight.
TEST(HugeDensity, ForEightTimesAsMuchAsIsFull) {
  HugeDensity density;
  density.note(mib(4), true);
  EXPECT_FALSE(density.expects(mib(8), mib(88), mib(7)));
  EXPECT_TRUE(density.expects(mib(8), mib(80), mib(7)));
  EXPECT_FALSE(density.expects(mib(9), kNothing, mib(100))) << "however large";
  density.note(mib(4), false);
  EXPECT_FALSE(density.expects(mib(2), kNothing, mib(100)));
}

TEST(HugeDensity, TheNewestIsLookedAtAndThenTheOthers) {
  HugeDensity density;
  EXPECT_EQ(density.next_watched(), 0U);
  for (uintptr_t address = 7; address <= 9; ++address) density.watch(address);
  EXPECT_EQ(density.next_watched(), 9U);
  EXPECT_EQ(density.next_watched(), 7U);
  density.forget(8);
  EXPECT_EQ(density.next_watched(), 9U);
  EXPECT_EQ(density.next_watched(), 7U);
  density.watch(10);
  EXPECT_EQ(density.next_watched(), 10U);
}

// Else a program whose blocks never fill would pay for a look at each malloc.
TEST(HugeDensity, TwiceForEachAtMost) {
  HugeDensity density;
  for (uintptr_t i = 1; i <= 3; ++i) density.watch(i);
  for (int i = 0; i < 6; ++i) EXPECT_NE(density.next_watched(), 0U);
  EXPECT_EQ(density.next_watched(), 0U);
  for (uintptr_t i = 4; i <= 8; ++i) density.watch(i);
  for (int i = 0; i < 8; ++i) EXPECT_NE(density.next_watched(), 0U);
  EXPECT_EQ(density.next_watched(), 0U) << "few are saved up";
}

TEST(HugeDensity, OneOfEightWithHugePagesIsLookedAt) {
  HugeDensity density;
  int looks = 0;
  for (int i = 0; i < 160; ++i) looks += density.takes_a_look();
  EXPECT_EQ(looks, 20);
}

// Of what comes in twos, fours or eights, each kind.
TEST(HugeDensity, TheOneIsNoneInParticular) {
  for (const unsigned period : {2U, 4U, 8U}) {
    HugeDensity density;
    std::vector<unsigned> looks(period);
    for (unsigned i = 0; i < 800; ++i) looks[i % period] += density.takes_a_look();
    for (const unsigned count : looks) {
      EXPECT_GE(count, 80 / period) << period;
      EXPECT_LE(count, 120 / period) << period;
    }
  }
}

TEST(HugeDensity, InDoubtOneOfTheNextBlocksGetsSmallPages) {
  HugeDensity density;
  density.note(mib(8), true);
  std::set<int> places;
  for (int turn = 0; turn < 16; ++turn) {
    for (int i = 0; i < 9; ++i) EXPECT_TRUE(density.expects_fresh(mib(8), kNothing, kNothing)) << "once";
    for (int i = 0; i < 2; ++i) density.doubt();
    EXPECT_FALSE(density.expects_fresh(mib(32), kNothing, kNothing)) << "too large anyway";
    int place = 1;
    while (density.expects_fresh(mib(8), kNothing, kNothing)) ++place;
    EXPECT_LE(place, 8);
    places.insert(place);
  }
  EXPECT_EQ(places.size(), 8U);
}

TEST(HugeDensity, EightAreWatchedAndSomeReplaced) {
  HugeDensity density;
  for (uintptr_t i = 1; i <= 8; ++i) density.watch(i);
  for (uintptr_t i = 1; i <= 8; ++i) EXPECT_TRUE(density.watches(i));
  for (uintptr_t i = 100; i < 164; ++i) density.watch(i);
  int replaced = 0;
  for (uintptr_t i = 1; i <= 8; ++i) replaced += !density.watches(i);
  EXPECT_EQ(replaced, 8) << "none stays for ever";
  EXPECT_TRUE(density.watches(163));
  EXPECT_TRUE(density.forget(163));
  EXPECT_FALSE(density.watches(163));
  EXPECT_FALSE(density.forget(163));
  density.watch(200);
  EXPECT_TRUE(density.watches(200)) << "where there is a place";
}

TEST(HugeDensity, AfterASparseBlockFewAreLookedAt) {
  HugeDensity density;
  density.note(mib(8), false);
  for (uintptr_t i = 1; i <= 15; ++i) density.watch(i);
  for (uintptr_t i = 1; i <= 15; ++i) EXPECT_FALSE(density.watches(i));
  density.watch(16);
  EXPECT_TRUE(density.watches(16));
}

}  // namespace
}  // namespace hakmem
