// front/quarantine.h: freed blocks wait before they may be handed out again. Hardened flavour only.
//
// Responsibility  Delay the reuse of small and mid blocks, by a number of frees that nobody can tell.
// Contract        Of each class the cache's owner alone replaces. A block stays for at least as many
//                 frees of its class as the queue has places; then a random one of those that waited
//                 leaves. A process that forks between two instructions of replace() loses a block in
//                 the child, and never finds one twice. To the heap a waiting block is one in use.
// Observable      Nothing.
// Composable      config/size_class. Used by ThreadCache and hardened.
#pragma once

#include <array>
#include <atomic>

#include "config/size_class.h"

namespace hakmem {

namespace quarantine_layout {

// Per class a queue and as many places to draw from.
struct Layout {
  uint16_t first;
  uint8_t mask;
};

// 2 KiB of blocks in each half, but at least four (of mid blocks two) and at most 32: what a thread frees
// and gets again stays in its core's cache, and a block of any class waits.
inline constexpr size_t kHalfBytes = size_t{2} << 10;
inline constexpr size_t kHalfMax = 32;

constexpr size_t half_entries(uint32_t c) {
  const size_t least = c < kTinyClasses ? 4 : 2;
  const size_t fitting = std::bit_floor(kHalfBytes / class_block_bytes(c) + 1);
  return fitting < least ? least : (fitting > kHalfMax ? kHalfMax : fitting);
}

inline constexpr size_t kPlaces = [] {
  size_t places = 0;
  for (uint32_t c = 0; c < kFirstLargeClass; ++c) places += 2 * half_entries(c);
  return places;
}();

inline constexpr std::array<Layout, kFirstLargeClass> kLayouts = [] {
  std::array<Layout, kFirstLargeClass> layouts{};
  size_t first = 0;
  for (uint32_t c = 0; c < kFirstLargeClass; ++c) {
    layouts[c] = Layout{static_cast<uint16_t>(first), static_cast<uint8_t>(half_entries(c) - 1)};
    first += 2 * half_entries(c);
  }
  return layouts;
}();

}  // namespace quarantine_layout

class Quarantine {
 public:
  // Never called with `c` large: such a block's slab goes back with it, and its tag.
  // nullptr: nothing leaves yet.
  void* replace(ClassIndex c, void* block) {
    const quarantine_layout::Layout& layout = quarantine_layout::kLayouts[c.count()];
    void** const queue = places_ + layout.first;
    uint8_t& next = next_[c.count()];
    void*& waited = queue[next];
    next = static_cast<uint8_t>((next + 1) & layout.mask);
    void* const oldest = waited;
    waited = block;
    // sync: fork. The child must not find a block in two places.
    std::atomic_signal_fence(std::memory_order_release);
    if (oldest == nullptr) return nullptr;
    void*& drawn = queue[layout.mask + 1u + (random() & layout.mask)];
    void* const leaving = drawn;
    drawn = oldest;
    return leaving;
  }

  explicit Quarantine(uint64_t seed) : random_state_(seed) {}

  // Calls free_block for each: the thread exits or gives back what it can, or memory is refused.
  template <class FreeBlock>
  void take_all(FreeBlock free_block) {
    for (void*& place : places_) {
      void* const block = place;
      place = nullptr;
      std::atomic_signal_fence(std::memory_order_release);
      if (block != nullptr) free_block(block);
    }
  }

  // For walkers, with the owner stopped.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const void* block : places_) {
      if (block != nullptr) visit(block);
    }
  }

 private:
  // PCG's multiplier and increment; the upper bits are the good ones.
  uint64_t random() {
    random_state_ = random_state_ * 6364136223846793005u + 1442695040888963407u;
    return random_state_ >> 40;
  }

  uint64_t random_state_;
  uint8_t next_[kFirstLargeClass] = {};
  void* places_[quarantine_layout::kPlaces] = {};
};

// What a cache has of it in the default flavour.
struct NoQuarantine {
  explicit NoQuarantine(uint64_t) {}
  template <class FreeBlock>
  void take_all(FreeBlock) {}
  template <class Visit>
  void for_each(Visit) const {}
};

}  // namespace hakmem
