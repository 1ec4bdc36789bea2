// profile/live_samples.h: which sampled blocks the program holds.
//
// Responsibility  From a block's address to its size and its stack.
// Contract        Everything under the profiler's lock, but for make_room(), which maps without it. Half full
//                 at most. Beyond kCapacityMax nothing more is put in.
// Observable      count().
// Composable      os/pages, os/lock. Used by profiler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/lock.h"

namespace hakmem {

struct LiveSample {
  uintptr_t address = 0;  // 0: none
  size_t size = 0;        // as it was asked for
  uint32_t stack = 0;     // offset of its record in the profile's file
  bool is_huge = false;   // of the huge blocks, whose tags do not tell
};

class LiveSamples {
 public:
  static constexpr size_t kCapacityMax = size_t{1} << 20;

  constexpr LiveSamples() = default;

  // Room for one more, if it can be had.
  void make_room(os::Lock& lock);

  // False without room.
  bool put(const LiveSample& sample);
  // address 0 when there is none.
  LiveSample take(uintptr_t address);
  // Gives the memory back; this is a copy that nobody else uses any more.
  void unmap();
  size_t count() const { return count_; }

 private:
  size_t place_of(uintptr_t address) const {
    return (address * 0x9e3779b97f4a7c15) >> 32 & (capacity_ - 1);
  }
  bool has_room() const { return count_ < capacity_ / 2; }

  LiveSample* entries_ = nullptr;
  size_t capacity_ = 0;  // a power of two
  size_t count_ = 0;
};

}  // namespace hakmem
