// base/bits.h: the few bit tricks the boxes share.
//
// Responsibility  Rounding to powers of two; runs of ones in a 32-bit mask.
// Contract        Pure functions. Alignments are powers of two; a run is 1..32 bits long.
// Observable      Nothing.
// Composable      Needs <bit>. Used by every box above.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace hakmem {

constexpr size_t round_up(size_t value, size_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

constexpr size_t round_down(size_t value, size_t alignment) { return value & ~(alignment - 1); }

constexpr bool is_power_of_two(size_t value) { return std::has_single_bit(value); }

// `length` ones starting at bit `first`; length 1..32, first + length <= 32.
constexpr uint32_t run_mask(uint32_t first, uint32_t length) {
  return static_cast<uint32_t>(((uint64_t{1} << length) - 1) << first);
}

// Bit i of the answer is set when bits i .. i+length-1 of `mask` all are.
constexpr uint32_t run_starts(uint32_t mask, uint32_t length) {
  uint32_t have = 1;
  while (have < length) {
    const uint32_t step = have < length - have ? have : length - have;
    mask &= mask >> step;
    have += step;
  }
  return mask;
}

constexpr uint32_t longest_run(uint32_t mask) {
  uint32_t length = 0;
  while (mask != 0) {
    mask &= mask >> 1;
    ++length;
  }
  return length;
}

}  // namespace hakmem
