#include "superslab/randomness.h"

#include <atomic>

#include "os/process.h"

namespace hakmem {

namespace {

// sync: none. A lost step gives two threads the same number, which tells neither anything.
constinit std::atomic<uint64_t> g_state{0};

}  // namespace

void seed_randomness() { g_state.store(os::random_bits(), std::memory_order_relaxed); }

uint64_t next_random() {
  // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
  const uint64_t state = g_state.load(std::memory_order_relaxed) + 0x9e3779b97f4a7c15u;
  g_state.store(state, std::memory_order_relaxed);
  uint64_t mixed = (state ^ state >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

uint32_t random_below(uint32_t bound) {
  return static_cast<uint32_t>((next_random() >> 32) * bound >> 32);
}

void shuffle(void** entries, uint32_t count) {
  for (uint32_t left = count; left > 1; --left) {
    const uint32_t drawn = random_below(left);
    void* const last = entries[left - 1];
    entries[left - 1] = entries[drawn];
    entries[drawn] = last;
  }
}

}  // namespace hakmem
