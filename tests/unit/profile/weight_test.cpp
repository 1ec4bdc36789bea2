// The mathematics of samples: sums come out right, whatever the sizes.
#include "profile/weight.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace hakmem {
namespace {

TEST(Exponential, AgreesWithTheMathematicsLibrary) {
  uint64_t random = 1;
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t word = split_mix(&random) >> (i % 60);
    const double u = static_cast<double>((word >> 11) + 1) * 0x1p-53;
    ASSERT_NEAR(exponential_draw(word), -std::log(u), 1e-7 * (1 - std::log(u))) << word;
  }
  EXPECT_GE(exponential_draw(UINT64_MAX), 0);
  for (double x = 1e-9; x < 60; x *= 1.01) {
    ASSERT_NEAR(chance_within(x), -std::expm1(-x), 1e-7 * -std::expm1(-x)) << x;
  }
}

TEST(Weight, CountsABlockAtLeastOnceAndALargeOneOnce) {
  EXPECT_EQ(weight_of(size_t{100} << 20, 512 << 10).count, 1u << kCountShift);
  EXPECT_EQ(weight_of(size_t{100} << 20, 512 << 10).bytes, size_t{100} << 20);
  const Weight small = weight_of(16, 512 << 10);
  EXPECT_NEAR(static_cast<double>(small.count) / (1 << kCountShift), 32768.5, 0.1);
  EXPECT_EQ(weight_of(0, 512 << 10).bytes, 0u);
}

struct Sums {
  double blocks = 0;
  double bytes = 0;
};

// As a gate does it: a countdown of bytes, drawn anew after each sample.
TEST(Weight, SumsAreTheTrueOnesWithinTwoPercent) {
  constexpr uint64_t kRate = 16 << 10;
  uint64_t random = 42;
  uint64_t sizes = 7;
  int64_t allowance = next_gap(&random, kRate);
  // Small ones, middle ones, and ones near the rate, each kind with a sum of its own.
  Sums truth[3];
  Sums estimate[3];
  for (int i = 0; i < 20'000'000; ++i) {
    const uint64_t draw = split_mix(&sizes);
    const uint32_t kind = i % 16 == 0 ? 2 : i % 4 == 0 ? 1 : 0;
    const size_t size = kind == 0 ? 16 + draw % 240 : kind == 1 ? 256 + draw % 3840 : 4096 + draw % 61440;
    truth[kind].blocks += 1;
    truth[kind].bytes += static_cast<double>(size);
    allowance -= static_cast<int64_t>(size);
    if (allowance >= 0) continue;
    allowance = next_gap(&random, kRate);
    const Weight weight = weight_of(size, kRate);
    estimate[kind].blocks += static_cast<double>(weight.count) / (1 << kCountShift);
    estimate[kind].bytes += static_cast<double>(weight.bytes);
  }
  for (int kind = 0; kind < 3; ++kind) {
    EXPECT_NEAR(estimate[kind].blocks / truth[kind].blocks, 1, 0.02) << kind;
    EXPECT_NEAR(estimate[kind].bytes / truth[kind].bytes, 1, 0.02) << kind;
  }
}

}  // namespace
}  // namespace hakmem
