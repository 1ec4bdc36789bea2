// base/counter.h: a statistic with one writer.
//
// Responsibility  Count without read-modify-write instructions.
// Contract        One thread at a time writes (its owner, or the holder of its owner's lock);
//                 anybody reads, and may read a value that is a little old.
// Observable      get().
// Composable      Needs <atomic>. Used by os/lock, pool, front, large.
#pragma once

#include <atomic>
#include <cstdint>

namespace hakmem {

class Counter {
 public:
  // relaxed: nothing is published through a statistic.
  void add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace hakmem
