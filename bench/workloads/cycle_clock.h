// bench/workloads/cycle_clock.h: times below a microsecond.
//
// Responsibility  Read the processor's constant-rate counter so that exactly what stands between
//                 two reads is timed, and turn its ticks into nanoseconds.
// Contract        start() and stop() order themselves against the instructions around them: x86-64
//                 by lfence (Intel SDM, RDTSCP), aarch64 by isb. A pair with nothing between it
//                 takes pair_ticks(), the median of many, which the user subtracts.
// Observable      ns_per_tick() after calibrate_end(): against CLOCK_MONOTONIC, over the run.
// Composable      Needs harness.h.
#pragma once

#include <algorithm>

#include "harness.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace bench {

class CycleClock {
 public:
  CycleClock() : start_seconds_(now_seconds()), start_ticks_(start()) {
    MappedArray<std::uint64_t> pairs(kPairs);
    for (std::size_t i = 0; i < kPairs; ++i) {
      const std::uint64_t before = start();
      pairs[i] = stop() - before;
    }
    std::nth_element(pairs.data(), pairs.data() + kPairs / 2, pairs.data() + kPairs);
    pair_ticks_ = pairs[kPairs / 2];
  }

  static std::uint64_t start() {
#if defined(__x86_64__)
    _mm_lfence();
    const std::uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
#elif defined(__aarch64__)
    return counter();
#endif
  }

  static std::uint64_t stop() {
#if defined(__x86_64__)
    unsigned processor;
    const std::uint64_t ticks = __rdtscp(&processor);
    _mm_lfence();
    return ticks;
#elif defined(__aarch64__)
    return counter();
#endif
  }

  std::uint64_t pair_ticks() const { return pair_ticks_; }

  // At the end of the run: the longer it was, the better the rate is known.
  void calibrate_end() {
    const double seconds = now_seconds() - start_seconds_;
    ns_per_tick_ = seconds * 1e9 / static_cast<double>(start() - start_ticks_);
  }
  double ns_per_tick() const { return ns_per_tick_; }

 private:
  static constexpr std::size_t kPairs = 10'001;

#if defined(__aarch64__)
  static std::uint64_t counter() {
    std::uint64_t ticks;
    asm volatile("isb\n mrs %0, cntvct_el0\n isb" : "=r"(ticks)::"memory");
    return ticks;
  }
#endif

  double start_seconds_;
  std::uint64_t start_ticks_;
  std::uint64_t pair_ticks_ = 0;
  double ns_per_tick_ = 0;
};

}  // namespace bench
