#include "base/bits.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdint>

namespace hakmem {
namespace {

uint32_t naive_run_starts(uint32_t mask, uint32_t length) {
  uint32_t starts = 0;
  for (uint32_t first = 0; first + length <= 32; ++first) {
    bool run = true;
    for (uint32_t i = first; i < first + length; ++i) run = run && (mask >> i & 1) != 0;
    if (run) starts |= 1u << first;
  }
  return starts;
}

uint32_t naive_longest_run(uint32_t mask) {
  uint32_t longest = 0;
  uint32_t current = 0;
  for (uint32_t i = 0; i < 32; ++i) {
    current = (mask >> i & 1) != 0 ? current + 1 : 0;
    if (current > longest) longest = current;
  }
  return longest;
}

TEST(Bits, RoundingGivesTheNearestMultiple) {
  for (size_t shift = 0; shift < 13; ++shift) {
    const size_t alignment = size_t{1} << shift;
    for (size_t value = 0; value < 10000; ++value) {
      ASSERT_EQ(round_up(value, alignment), (value + alignment - 1) / alignment * alignment);
      ASSERT_EQ(round_down(value, alignment), value / alignment * alignment);
    }
  }
  EXPECT_EQ(round_down(SIZE_MAX, 4096), SIZE_MAX - 4095);
  EXPECT_EQ(round_up(SIZE_MAX - 4095, 4096), SIZE_MAX - 4095);
}

TEST(Bits, PowersOfTwo) {
  EXPECT_FALSE(is_power_of_two(0));
  for (size_t shift = 0; shift < 64; ++shift) {
    EXPECT_TRUE(is_power_of_two(size_t{1} << shift));
    if (shift > 1) {
      EXPECT_FALSE(is_power_of_two((size_t{1} << shift) - 1));
      EXPECT_FALSE(is_power_of_two((size_t{1} << shift) + 1));
    }
  }
}

TEST(Bits, RunMaskSetsExactlyItsBits) {
  for (uint32_t length = 1; length <= 32; ++length) {
    for (uint32_t first = 0; first + length <= 32; ++first) {
      const uint32_t mask = run_mask(first, length);
      for (uint32_t i = 0; i < 32; ++i) {
        ASSERT_EQ((mask >> i & 1) != 0, i >= first && i < first + length) << first << " " << length;
      }
    }
  }
}

void expect_runs_agree(uint32_t mask) {
  ASSERT_EQ(longest_run(mask), naive_longest_run(mask)) << mask;
  for (uint32_t length = 1; length <= 32; ++length) {
    ASSERT_EQ(run_starts(mask, length), naive_run_starts(mask, length)) << mask << " " << length;
  }
}

TEST(Bits, RunsOfEverySingleRunMask) {
  expect_runs_agree(0);
  for (uint32_t length = 1; length <= 32; ++length) {
    for (uint32_t first = 0; first + length <= 32; ++first) {
      expect_runs_agree(run_mask(first, length));
      expect_runs_agree(~run_mask(first, length));
    }
  }
}

TEST(Bits, RunsOfRandomMasksAgreeWithCounting) {
  EXPECT_TRUE(rc::check("random masks, thin and dense", [](uint32_t a, uint32_t b, uint32_t c) {
    for (const uint32_t mask : {a, a & b, a | b, a & b & c, a | b | c}) {
      RC_ASSERT(longest_run(mask) == naive_longest_run(mask));
      for (uint32_t length = 1; length <= 32; ++length) {
        RC_ASSERT(run_starts(mask, length) == naive_run_starts(mask, length));
      }
    }
  }));
}

}  // namespace
}  // namespace hakmem
