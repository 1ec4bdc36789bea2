// tools/bench/statistics.h: what a sample of paired ratios says about their median.
//
// Responsibility  Median, quantiles, an interval and a test for the median, and a correction for
//                 many tests.
// Contract        Distribution-free: the interval's ends are order statistics, and the test counts
//                 signs. Both come from the same binomial law, so an interval that leaves 1 out and
//                 a test that rejects 1 are one statement (docs/decisions/0015). Exact for every
//                 sample size; nothing is random.
// Observable      The coverage an interval really has, which is at least what was asked for.
// Composable      Needs only the standard library. tests/unit/bench holds it to its definitions,
//                 tests/cli/bench_statistics_test.py to scipy.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace hakmem::bench {

// All three take the sample in any order. `values` must not be empty.
double median(std::vector<double> values);
// Linear between order statistics (Hyndman and Fan's type 7, as numpy has it). 0 <= at <= 1.
double quantile(std::vector<double> values, double at);

struct Interval {
  double low;
  double high;
  double coverage;
};
// The narrowest symmetric pair of order statistics that covers the median with `confidence`.
// Nothing when even the whole range does not: below 6 values at 0.95.
std::optional<Interval> median_interval(std::vector<double> values, double confidence);

enum class Alternative { kDiffers, kGreater, kLess };
// The sign test's p-value of "the median is `centre`" against the alternative. Values equal to
// `centre` say nothing and are left out; without any other the answer is 1.
double sign_test(const std::vector<double>& values, double centre, Alternative alternative);

// Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979): comparing the results
// with alpha keeps the chance of any false rejection among all of them at alpha. Order is kept.
std::vector<double> holm(const std::vector<double>& p_values);

// The least sample size at which one of `tests` two-sided tests can be rejected after Holm's
// adjustment, whatever the others say, and at which there is an interval.
std::size_t sample_size_min(std::size_t tests, double confidence);

}  // namespace hakmem::bench
