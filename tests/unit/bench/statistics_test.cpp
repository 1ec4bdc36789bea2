// Held to definitions and to known tables; tests/cli/bench_statistics_test.py compares with scipy.
#include "bench/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace hakmem::bench {
namespace {

std::vector<double> one_to(std::size_t count) {
  std::vector<double> values(count);
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

TEST(Statistics, QuantilesLieBetweenOrderStatistics) {
  EXPECT_DOUBLE_EQ(median({3.0}), 3.0);
  EXPECT_DOUBLE_EQ(median({4.0, 1.0}), 2.5);
  EXPECT_DOUBLE_EQ(median({9.0, 1.0, 5.0}), 5.0);
  EXPECT_DOUBLE_EQ(quantile({1.0, 2.0, 3.0, 4.0}, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(quantile({4.0, 2.0}, 0.0), 2.0);
  EXPECT_DOUBLE_EQ(quantile({4.0, 2.0}, 1.0), 4.0);
}

TEST(Statistics, FiveValuesAreTooFewForAnInterval) {
  EXPECT_FALSE(median_interval({}, 0.95));
  EXPECT_FALSE(median_interval(one_to(5), 0.95));
  const auto interval = median_interval(one_to(6), 0.95);
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low, 1.0);
  EXPECT_EQ(interval->high, 6.0);
  EXPECT_DOUBLE_EQ(interval->coverage, 1.0 - 2.0 / 64.0);
}

// The ranks that tables of this interval have.
TEST(Statistics, IntervalHasTheTabledRanks) {
  struct Row {
    std::size_t size;
    double low;
    double high;
  };
  for (const Row row : {Row{9, 2, 8}, Row{10, 2, 9}, Row{15, 4, 12}, Row{20, 6, 15}, Row{25, 8, 18},
                        Row{50, 18, 33}}) {
    std::vector<double> values = one_to(row.size);
    std::reverse(values.begin(), values.end());
    const auto interval = median_interval(values, 0.95);
    ASSERT_TRUE(interval) << row.size;
    EXPECT_EQ(interval->low, row.low) << row.size;
    EXPECT_EQ(interval->high, row.high) << row.size;
    EXPECT_GE(interval->coverage, 0.95) << row.size;
  }
}

TEST(Statistics, IntervalCoversAsOftenAsItSays) {
  std::mt19937 random(7);
  std::exponential_distribution<double> skewed(1.0);
  const double truth = std::log(2.0);
  int covered = 0;
  constexpr int kTrials = 4000;
  double promised = 0.0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(13);
    for (double& value : values) value = skewed(random);
    const auto interval = median_interval(values, 0.95);
    ASSERT_TRUE(interval);
    promised = interval->coverage;
    covered += interval->low <= truth && truth <= interval->high ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(covered) / kTrials, promised, 0.015);
}

TEST(Statistics, SignTestCountsSigns) {
  EXPECT_DOUBLE_EQ(sign_test({2, 2, 2, 2, 2, 2}, 1.0, Alternative::kDiffers), 2.0 / 64.0);
  EXPECT_DOUBLE_EQ(sign_test({2, 2, 2, 2, 2, 2}, 1.0, Alternative::kGreater), 1.0 / 64.0);
  EXPECT_DOUBLE_EQ(sign_test({2, 2, 2, 2, 2, 2}, 1.0, Alternative::kLess), 1.0);
  EXPECT_DOUBLE_EQ(sign_test({0.5, 2}, 1.0, Alternative::kDiffers), 1.0);
  EXPECT_DOUBLE_EQ(sign_test({1, 1, 1}, 1.0, Alternative::kDiffers), 1.0);
  EXPECT_DOUBLE_EQ(sign_test({1, 1, 2, 2, 2}, 1.0, Alternative::kGreater), 1.0 / 8.0);
}

// The promise of statistics.h: interval and test are one statement.
TEST(Statistics, IntervalLeavesOutWhatTheTestRejects) {
  std::mt19937 random(11);
  std::normal_distribution<double> normal(1.02, 0.05);
  for (std::size_t size = 6; size < 60; ++size) {
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<double> values(size);
      for (double& value : values) value = normal(random);
      const auto interval = median_interval(values, 0.95);
      ASSERT_TRUE(interval);
      const bool left_out = interval->low > 1.0 || interval->high < 1.0;
      EXPECT_EQ(left_out, sign_test(values, 1.0, Alternative::kDiffers) <= 0.05) << size;
    }
  }
}

TEST(Statistics, LongSamplesDoNotUnderflow) {
  std::vector<double> values(5000, 2.0);
  EXPECT_EQ(sign_test(values, 1.0, Alternative::kDiffers), 0.0);
  std::fill(values.begin(), values.begin() + 2500, 0.5);
  EXPECT_DOUBLE_EQ(sign_test(values, 1.0, Alternative::kDiffers), 1.0);
}

TEST(Statistics, HolmStepsDown) {
  const std::vector<double> adjusted = holm({0.01, 0.04, 0.03, 0.005});
  const std::vector<double> expected = {0.03, 0.06, 0.06, 0.02};
  ASSERT_EQ(adjusted.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(adjusted[i], expected[i], 1e-12);
  EXPECT_TRUE(holm({}).empty());
  EXPECT_EQ(holm({0.9, 0.8}), (std::vector<double>{1.0, 1.0}));
}

TEST(Statistics, SampleSizeMinIsTheLeastThatCanReject) {
  EXPECT_EQ(sample_size_min(1, 0.95), 6u);
  for (const std::size_t tests : {1u, 2u, 15u, 100u, 250u}) {
    const std::size_t size = sample_size_min(tests, 0.95);
    std::vector<double> p(tests, 1.0);
    p[0] = sign_test(std::vector<double>(size, 2.0), 1.0, Alternative::kDiffers);
    EXPECT_LE(holm(p)[0], 0.05) << tests;
    p[0] = sign_test(std::vector<double>(size - 1, 2.0), 1.0, Alternative::kDiffers);
    EXPECT_GT(holm(p)[0], 0.05) << tests;
  }
}

}  // namespace
}  // namespace hakmem::bench
