// base/exponential.h: the two functions a sampler needs, without a mathematics library.
//
// Responsibility  Draw from the exponential distribution; the chance that an interval holds an event.
// Contract        Relative error below 1e-7. Pure functions; no table, no state.
// Observable      Nothing.
// Composable      Needs nothing. Used by profile.
#pragma once

#include <bit>
#include <cstdint>

namespace hakmem {

inline constexpr double kLn2 = 0.69314718055994530942;

// -ln(u), of a u that is even on (0, 1] when `random` is on all 64-bit numbers.
constexpr double exponential_draw(uint64_t random) {
  const double u = static_cast<double>((random >> 11) + 1) * 0x1p-53;
  const uint64_t bits = std::bit_cast<uint64_t>(u);
  const int exponent = static_cast<int>(bits >> 52) - 1023;
  const double m = std::bit_cast<double>((bits & 0xfffffffffffff) | uint64_t{1023} << 52);
  // ln m = 2 artanh((m - 1) / (m + 1)); the argument is a third at most.
  const double t = (m - 1) / (m + 1);
  const double square = t * t;
  double sum = 0;
  for (int n = 17; n >= 1; n -= 2) sum = sum * square + 1.0 / n;
  return -(2 * t * sum + exponent * kLn2);
}

// 1 - exp(-x) for x >= 0: whether a Poisson process of rate 1 has an event within x.
constexpr double chance_within(double x) {
  if (x > 40) return 1;
  const int halvings = static_cast<int>(x / kLn2);
  const double rest = x - halvings * kLn2;
  // exp(-rest) - 1, so that nothing is lost where x is small.
  double sum = 0;
  for (int n = 13; n >= 1; --n) sum = (1 + sum) * -rest / n;
  const double scale = std::bit_cast<double>(static_cast<uint64_t>(1023 - halvings) << 52);
  return 1 - scale - scale * sum;
}

}  // namespace hakmem
