// hardened/zero.h: blocks that read as zero.
//
// Responsibility  Zero a block, and tell whether it still reads as zero, in as few steps as the core's
//                 widest registers allow.
// Contract        A block is aligned to kMinAlignment and whole multiples of it long. Its last word is not
//                 looked at nor written.
// Observable      Nothing.
// Composable      os/processor, config/size_class, superslab/canary. Used by hardened only.
#pragma once

#include <atomic>

#include "os/processor.h"
#include "config/size_class.h"
#include "superslab/canary.h"

namespace hakmem::hardened {

// Straight code serves blocks up to here.
inline constexpr size_t kSmallMax = 128;
inline constexpr uint32_t kSmallClasses = 8;
static_assert(class_block_bytes(kSmallClasses - 1) == kSmallMax);

using os::WordPair;
using Word [[gnu::may_alias]] = uint64_t;
static_assert(sizeof(WordPair) == kMinAlignment);

// What the wide registers' code asks for is what tiny classes are.
static_assert(os::kWideMin == kSmallMax + kMinAlignment && os::kWideMax == kTinyMax);
static_assert([] {
  for (uint32_t c = kSmallClasses; c < kTinyClasses; ++c) {
    const size_t bytes = class_block_bytes(c);
    if (bytes > os::kWideHalf && bytes % os::kWideStep != 0) return false;
  }
  return true;
}());

[[gnu::always_inline]] inline bool small_reads_as_zero(uintptr_t block, size_t bytes) {
  const auto* pair = reinterpret_cast<const WordPair*>(block);
  const auto* last = reinterpret_cast<const WordPair*>(block + bytes) - 1;
  WordPair any = {*reinterpret_cast<const Word*>(last), 0};
  // What is read from the end overlaps what is read from the start.
  if (bytes > 64) {
    any |= pair[0] | pair[1] | pair[2] | pair[3] | last[-1] | last[-2] | last[-3];
  } else if (bytes > 16) {
    any |= pair[0] | pair[(bytes - 16) / 32] | last[-1];
  }
  return os::is_zero(any);
}

[[gnu::always_inline]] inline void clear_small(uintptr_t block, size_t bytes) {
  constexpr WordPair kZero = {0, 0};
  auto* pair = reinterpret_cast<WordPair*>(block);
  auto* last = reinterpret_cast<WordPair*>(block + bytes) - 1;
  *reinterpret_cast<Word*>(last) = 0;
  if (bytes > 64) {
    pair[0] = pair[1] = pair[2] = pair[3] = last[-1] = last[-2] = last[-3] = kZero;
  } else if (bytes > 16) {
    pair[0] = pair[(bytes - 16) / 32] = last[-1] = kZero;
  }
}

// As reads_as_zero_by_pairs().
void clear_by_pairs(uintptr_t block, size_t bytes);

enum class Vectors : uint32_t { kUnknown, kPairs, kWide };
// sync: none. Found out by whichever thread asks first, and the same for all.
extern std::atomic<Vectors> g_vectors [[gnu::visibility("hidden")]];
[[gnu::cold, gnu::noinline]] bool look_for_wide_vectors();

[[gnu::always_inline]] inline bool known_to_have_wide_vectors() {
  return g_vectors.load(std::memory_order_relaxed) == Vectors::kWide;
}

[[gnu::always_inline]] inline bool has_wide_vectors() {
  const Vectors known = g_vectors.load(std::memory_order_relaxed);
  if (known == Vectors::kWide) [[likely]] return true;
  return known == Vectors::kUnknown && look_for_wide_vectors();
}

// How contents are looked at: blocks up to kSmallMax, and all others.
struct Small {
  [[gnu::always_inline]] static bool reads_as_zero(uintptr_t block, size_t bytes) {
    return small_reads_as_zero(block, bytes);
  }
  [[gnu::always_inline]] static void clear(uintptr_t block, size_t bytes) { clear_small(block, bytes); }
};
// Calls nothing, so that its user need not save what a call may change: where the processor is known to.
struct Wide {
  [[gnu::always_inline]] static bool reads_as_zero(uintptr_t block, size_t bytes) {
    return os::reads_as_zero_wide(block, bytes);
  }
  [[gnu::always_inline]] static void clear(uintptr_t block, size_t bytes) { os::clear_wide(block, bytes); }
};
struct AboveSmall {
  [[gnu::always_inline]] static bool reads_as_zero(uintptr_t block, size_t bytes) {
    if (has_wide_vectors()) [[likely]] return os::reads_as_zero_wide(block, bytes);
    return reads_as_zero_by_pairs(block, bytes);
  }
  [[gnu::always_inline]] static void clear(uintptr_t block, size_t bytes) {
    if (has_wide_vectors()) [[likely]] return os::clear_wide(block, bytes);
    clear_by_pairs(block, bytes);
  }
};

inline bool reads_as_zero(uintptr_t block, size_t bytes) {
  // Zeroed only at a raised HAKMEM_ZERO_FREED.
  if (bytes > kTinyMax) return reads_as_zero_by_pairs(block, bytes);
  return bytes <= kSmallMax ? Small::reads_as_zero(block, bytes) : AboveSmall::reads_as_zero(block, bytes);
}

}  // namespace hakmem::hardened
