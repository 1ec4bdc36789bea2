// profile/weight.h: how much a sampled block stands for.
//
// Responsibility  Where the next sample is; the weight that makes sums unbiased.
// Contract        A block of s bytes is sampled with chance p = 1 - exp(-s / rate), and then stands for 1 / p
//                 blocks and s / p bytes, so that the expected sums are the true ones, whatever the sizes.
//                 Pure functions of their arguments.
// Observable      Nothing.
// Composable      base/exponential. Used by profiler; tests use it alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/exponential.h"
#include "profile/profile_format.h"

namespace hakmem {

struct Weight {
  uint64_t count;  // in 1/65536 of a block
  uint64_t bytes;
};

inline Weight weight_of(size_t size, uint64_t rate) {
  // Blocks of no bytes exist: they have what the smallest has.
  const double bytes = static_cast<double>(size == 0 ? 1 : size);
  const double chance = chance_within(bytes / static_cast<double>(rate));
  return {static_cast<uint64_t>((1 << kCountShift) / chance + 0.5),
          static_cast<uint64_t>(static_cast<double>(size) / chance + 0.5)};
}

// SplitMix64 (Steele, Lea, Flood 2014): one addition, and every seed is as good as another.
inline uint64_t split_mix(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Bytes until the next sample.
inline int64_t next_gap(uint64_t* random, uint64_t rate) {
  return static_cast<int64_t>(exponential_draw(split_mix(random)) * static_cast<double>(rate));
}

}  // namespace hakmem
