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

// Length of the longest run of ones. Six steps, whatever the mask: grow a run by 16, 8, 4, 2, 1, 1.
constexpr uint32_t longest_run(uint32_t mask) {
  const uint32_t two = mask & mask >> 1;
  const uint32_t four = two & two >> 2;
  const uint32_t eight = four & four >> 4;
  const uint32_t sixteen = eight & eight >> 8;
  uint32_t length = 0;
  uint32_t starts = ~0u;  // of runs of at least `length`
  const auto extend = [&](uint32_t runs, uint32_t by) {
    const uint32_t longer = starts & static_cast<uint32_t>(uint64_t{runs} >> length);
    if (longer == 0) return;
    starts = longer;
    length += by;
  };
  extend(sixteen, 16);
  extend(eight, 8);
  extend(four, 4);
  extend(two, 2);
  extend(mask, 1);
  extend(mask, 1);
  return length;
}
static_assert(longest_run(0) == 0 && longest_run(~0u) == 32 && longest_run(0x7fffffff) == 31 &&
              longest_run(0xff00ff) == 8 && longest_run(0x80000001) == 1);

}  // namespace hakmem
