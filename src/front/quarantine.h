// front/quarantine.h: freed blocks wait before they may be handed out again. Hardened flavour only.
//
// Responsibility  Delay the reuse of small and mid blocks, by a number of frees that nobody can tell.
// Contract        Of each class the cache's owner alone replaces. A block stays for at least as many
//                 frees of its class as the queue has places; then a random one of those that waited
//                 leaves. A process that forks between two instructions of replace() loses a block in
//                 the child, and never finds one twice. To the heap a waiting block is one in use.
// Observable      Nothing.
// Composable      config/size_class, randomness. Used by ThreadCache and hardened.
#pragma once

#include <array>
#include <atomic>

#include "config/size_class.h"
#include "superslab/randomness.h"

namespace hakmem {

namespace quarantine_layout {

// Of a class: where its places begin in either half, and how many there are, less one.
struct Ring {
  uint32_t first;
  uint32_t mask;
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
  for (uint32_t c = 0; c < kFirstLargeClass; ++c) places += half_entries(c);
  return places;
}();

inline constexpr std::array<Ring, kFirstLargeClass> kRings = [] {
  std::array<Ring, kFirstLargeClass> rings{};
  size_t first = 0;
  for (uint32_t c = 0; c < kFirstLargeClass; ++c) {
    rings[c] = Ring{static_cast<uint32_t>(first), static_cast<uint32_t>(half_entries(c) - 1)};
    first += half_entries(c);
  }
  return rings;
}();

}  // namespace quarantine_layout

class Quarantine {
 public:
  // A block whose slab another cache owned when it was freed. It may be adopted meanwhile, also by this one, so
  // who sends it on reads the slab's tag afresh.
  static void* as_remote(void* block) { return static_cast<char*>(block) + 1; }
  static bool is_remote(const void* waiting) { return (reinterpret_cast<uintptr_t>(waiting) & 1) != 0; }
  static void* block_of(void* waiting) {
    return static_cast<char*>(waiting) - (is_remote(waiting) ? 1 : 0);
  }

  Quarantine() {
    for (uint64_t& steps : steps_) steps = next_random();
  }

  // Never called with `c` large: such a block's slab goes back with it, and its tag.
  // nullptr: nothing leaves yet.
  [[gnu::always_inline]] void* replace(ClassIndex c, void* waiting) {
    const uint64_t step = next_step(c);
    const auto [first, mask] = rings_[c.count()];
    void*& waited = queues_[first + (step & mask)];
    void* const oldest = waited;
    waited = waiting;
    // sync: fork. The child must not find a block in two places.
    std::atomic_signal_fence(std::memory_order_release);
    // Nothing where the queue was not full yet; what is drawn has waited all the same.
    void*& drawn = drawn_[first + (step >> 40 & mask)];
    void* const leaving = drawn;
    drawn = oldest;
    return leaving;
  }

  // Calls free_block for each: the thread exits or gives back what it can, or memory is refused.
  template <class FreeBlock>
  void take_all(FreeBlock free_block) {
    for (auto* half : {&queues_, &drawn_}) {
      for (void*& place : *half) {
        void* const waiting = place;
        place = nullptr;
        std::atomic_signal_fence(std::memory_order_release);
        if (waiting != nullptr) free_block(block_of(waiting));
      }
    }
  }

  // For walkers, with the owner stopped.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto* half : {&queues_, &drawn_}) {
      for (void* waiting : *half) {
        if (waiting != nullptr) visit(block_of(waiting));
      }
    }
  }

 private:
  // PCG's multiplier. The upper bits are the random ones. The lowest n count, in another order: they come to each
  // value once in 2^n steps, as those of any such generator do with its full period. So they are the queue's place.
  uint64_t next_step(ClassIndex c) {
    return steps_[c.count()] = steps_[c.count()] * 6364136223846793005u + 1;
  }

  using Places = std::array<void*, quarantine_layout::kPlaces>;

  std::array<uint64_t, kFirstLargeClass> steps_;
  std::array<quarantine_layout::Ring, kFirstLargeClass> rings_ = quarantine_layout::kRings;
  Places queues_{};
  Places drawn_{};
};

// What a cache has of it in the default flavour.
struct NoQuarantine {
  void* replace(ClassIndex, void* block) { return block; }
  template <class FreeBlock>
  void take_all(FreeBlock) {}
  template <class Visit>
  void for_each(Visit) const {}
};

}  // namespace hakmem
