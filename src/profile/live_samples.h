// profile/live_samples.h: which sampled blocks the program holds.
//
// Responsibility  From a block's address to its size, its stack, and where it would have been.
// Contract        Everything under the profiler's lock, but for make_room(), which maps without it. Half full
//                 at most. Beyond kCapacityMax nothing more is put in.
// Observable      count(). The command reads the table from outside, by the page's layout: it may see an entry
//                 twice, or not, while others move.
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
  // It lies in a slab of its own kind. This is the block that its thread would have given out instead, which
  // says whose slab the call site helps to pin; 0 where a block has its slab to itself.
  uintptr_t place = 0;
  uint32_t since = 0;  // slab_clock(): a slab born later is another one
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

  // For the page's layout.
  static constexpr size_t kEntriesOffset = 0;
  static constexpr size_t kCapacityOffset = sizeof(LiveSample*);
  static constexpr bool offsets_hold() {
    return offsetof(LiveSamples, entries_) == kEntriesOffset && offsetof(LiveSamples, capacity_) == kCapacityOffset;
  }

 private:
  size_t place_of(uintptr_t address) const {
    return (address * 0x9e3779b97f4a7c15) >> 32 & (capacity_ - 1);
  }
  bool has_room() const { return count_ < capacity_ / 2; }

  LiveSample* entries_ = nullptr;
  size_t capacity_ = 0;  // a power of two
  size_t count_ = 0;
};
static_assert(LiveSamples::offsets_hold());

}  // namespace hakmem
