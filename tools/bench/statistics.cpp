#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hakmem::bench {
namespace {

// P(X <= count) of a binomial variable with `trials` fair coins. The first term is 2^-trials, which
// a long double holds up to 16 000 trials; a sample is never that long.
double fair_coins_at_most(std::size_t count, std::size_t trials) {
  if (count >= trials) return 1.0;
  long double term = std::ldexp(1.0L, -static_cast<int>(trials));
  long double sum = term;
  for (std::size_t k = 1; k <= count; ++k) {
    term *= static_cast<long double>(trials - k + 1) / static_cast<long double>(k);
    sum += term;
  }
  return static_cast<double>(std::min(sum, 1.0L));
}

}  // namespace

double quantile(std::vector<double> values, double at) {
  std::sort(values.begin(), values.end());
  const double position = at * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  const double share = position - static_cast<double>(below);
  return values[below] + share * (values[above] - values[below]);
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

std::optional<Interval> median_interval(std::vector<double> values, double confidence) {
  std::sort(values.begin(), values.end());
  const std::size_t size = values.size();
  const double tail = (1.0 - confidence) / 2.0;
  // Leaving `cut` values out at each end misses the median when at most `cut` lie beyond it.
  if (size == 0 || fair_coins_at_most(0, size) > tail) return std::nullopt;
  std::size_t cut = 0;
  while (2 * (cut + 1) < size && fair_coins_at_most(cut + 1, size) <= tail) ++cut;
  return Interval{values[cut], values[size - 1 - cut], 1.0 - 2.0 * fair_coins_at_most(cut, size)};
}

double sign_test(const std::vector<double>& values, double centre, Alternative alternative) {
  std::size_t above = 0;
  std::size_t below = 0;
  for (const double value : values) {
    above += value > centre ? 1 : 0;
    below += value < centre ? 1 : 0;
  }
  const std::size_t trials = above + below;
  if (trials == 0) return 1.0;
  switch (alternative) {
    case Alternative::kGreater:
      return fair_coins_at_most(below, trials);
    case Alternative::kLess:
      return fair_coins_at_most(above, trials);
    case Alternative::kDiffers:
      break;
  }
  return std::min(1.0, 2.0 * fair_coins_at_most(std::min(above, below), trials));
}

std::vector<double> holm(const std::vector<double>& p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0.0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double factor = static_cast<double>(order.size() - rank);
    largest = std::max(largest, std::min(1.0, factor * p_values[order[rank]]));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

std::size_t sample_size_min(std::size_t tests, double confidence) {
  const double alpha = 1.0 - confidence;
  const double factor = 2.0 * static_cast<double>(std::max<std::size_t>(tests, 1));
  std::size_t size = 1;
  // Ends: the left side halves at each step.
  while (factor * fair_coins_at_most(0, size) > alpha) ++size;
  return size;
}

}  // namespace hakmem::bench
