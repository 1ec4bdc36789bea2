#include "pool/decay.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <utility>
#include <vector>

namespace hakmem {
namespace {

constexpr Milliseconds kDecayTime{1000};
// An epoch is a twentieth and one millisecond.
constexpr uint64_t kEpochMs = kDecayTime.count() / Decay::kEpochs + 1;

TEST(Decay, FadesMonotonouslyToNothingInOneDecayTime) {
  Decay decay;
  uint64_t now = 5'000'000;
  decay.advance(Milliseconds(now), SlotCount(1000), kDecayTime);
  uint32_t last = decay.allowed().count();
  EXPECT_GT(last, 950U);  // next to nothing goes in the first epoch
  EXPECT_LE(last, 1000U);
  uint32_t halfway = 0;
  for (uint32_t epoch = 1; epoch < Decay::kEpochs; ++epoch) {
    now += kEpochMs;
    EXPECT_TRUE(decay.advance(Milliseconds(now), SlotCount(last), kDecayTime));
    const uint32_t allowed = decay.allowed().count();
    EXPECT_LE(allowed, last);
    EXPECT_LT(last - allowed, 120U) << "a cliff, not a curve";
    last = allowed;
    if (epoch == Decay::kEpochs / 2 - 1) halfway = allowed;
  }
  EXPECT_EQ(last, 0U);
  EXPECT_NEAR(halfway, 500, 1);
}

TEST(Decay, ALongPauseForgetsEverything) {
  Decay decay;
  decay.advance(Milliseconds(1000), SlotCount(64), kDecayTime);
  EXPECT_GT(decay.allowed().count(), 0U);
  EXPECT_TRUE(decay.advance(Milliseconds(1000 + 3'600'000), SlotCount(64), kDecayTime));
  EXPECT_EQ(decay.allowed(), SlotCount(0));
}

TEST(Decay, WithinAnEpochNothingChanges) {
  Decay decay;
  ASSERT_TRUE(decay.advance(Milliseconds(90'000), SlotCount(100), kDecayTime));
  const SlotCount allowed = decay.allowed();
  for (uint64_t ms = 0; ms < kEpochMs; ++ms) {
    EXPECT_FALSE(decay.advance(Milliseconds(90'000 + ms), SlotCount(5000), kDecayTime)) << ms;
    EXPECT_EQ(decay.allowed(), allowed);
  }
  EXPECT_TRUE(decay.advance(Milliseconds(90'000 + kEpochMs), SlotCount(5000), kDecayTime));
  EXPECT_GT(decay.allowed(), allowed);
}

TEST(Decay, NeverMeansAllAndZeroMeansNone) {
  Decay decay;
  EXPECT_FALSE(decay.advance(Milliseconds(1), SlotCount(7), Milliseconds(Decay::kNever)));
  EXPECT_EQ(decay.allowed(), SlotCount(UINT32_MAX));
  EXPECT_TRUE(decay.advance(Milliseconds(2), SlotCount(7), Milliseconds(0)));
  EXPECT_EQ(decay.allowed(), SlotCount(0));
}

// What is reused leaves the count before the curve reaches it.
TEST(Decay, WhatComesBackEachEpochIsKept) {
  Decay decay;
  uint64_t now = 0;
  for (uint32_t round = 0; round < 200; ++round) {
    now += kEpochMs;
    decay.advance(Milliseconds(now), SlotCount(round % 2 == 0 ? 100 : 0), kDecayTime);
    if (round > 4 && round % 2 == 0) {
      EXPECT_EQ(decay.allowed(), SlotCount(100)) << round;
    }
  }
}

TEST(Decay, NeverAllowsMoreThanThereIsAndEndsAtNothing) {
  EXPECT_TRUE(
      rc::check("random times and counts",
                [](std::vector<std::pair<uint16_t, uint16_t>> steps, uint8_t decay_seconds) {
                  const Milliseconds decay_time(1 + uint64_t{decay_seconds} * 100);
                  Decay decay;
                  uint64_t now = 1'000'000;
                  uint32_t left = 0;
                  for (const auto& [milliseconds, empty] : steps) {
                    now += milliseconds % 500;
                    if (!decay.advance(Milliseconds(now), SlotCount(empty), decay_time)) continue;
                    RC_ASSERT(decay.allowed().count() <= empty);
                    left = decay.allowed().count();
                  }
                  // Nothing becomes EMPTY any more; the pool purges down to what is allowed.
                  const uint64_t epoch = decay_time.count() / Decay::kEpochs + 1;
                  for (uint32_t i = 0; i < Decay::kEpochs + 1; ++i) {
                    now += epoch;
                    RC_ASSERT(decay.advance(Milliseconds(now), SlotCount(left), decay_time));
                    RC_ASSERT(decay.allowed().count() <= left);
                    left = decay.allowed().count();
                  }
                  RC_ASSERT(left == 0u);
                }));
}

}  // namespace
}  // namespace hakmem
