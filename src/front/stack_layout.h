// front/stack_layout.h: how deep a class's stack may be, and where it lies.
//
// Responsibility  Two places for each class: a short one inside the cache, packed with those of all
//                 classes, and a long one in a cell of its own, for the classes that grow.
// Contract        Constants and pure functions. A stack of n entries takes n + 2 words: a NULL
//                 below, a wall above. A stack moves at most once in the life of its thread, from
//                 the short place to the long one, and neither place serves anything else meanwhile:
//                 a pop or push that a signal handler interrupted may still write there.
// Observable      Nothing.
// Composable      config/size_class, superslab/meta_arena. Used by ThreadCache.
#pragma once

#include <array>

#include "config/size_class.h"
#include "superslab/meta_arena.h"

namespace hakmem {

// Every thread gets this much of a class it uses, outside the budget; of blocks above a slot's size
// nothing, for the pool gives them back as fast. With its ends it fills two cache lines.
inline constexpr uint32_t kShortEntries = 14;
inline constexpr Bytes kShortBytes = kib(64);
// No stack grows beyond either of these. With its ends, the longest fills a cell of 16 KiB.
inline constexpr uint32_t kEntriesMax = 2046;
inline constexpr Bytes kStackBytesMax = mib(4);

inline constexpr uint32_t kEndWords = 2;

constexpr uint32_t entries_within(ClassIndex c, Bytes bytes, uint32_t most) {
  const size_t fit = bytes.count() / class_block_bytes(c.count());
  return fit < most ? static_cast<uint32_t>(fit) : most;
}

constexpr uint32_t short_entries(ClassIndex c) {
  return entries_within(c, kShortBytes, kShortEntries);
}

constexpr uint32_t entries_max(ClassIndex c) {
  return entries_within(c, kStackBytesMax, kEntriesMax);
}

// The cell of the long place.
constexpr Bytes long_bytes(ClassIndex c) {
  const size_t bytes = (entries_max(c) + kEndWords) * sizeof(void*);
  return Bytes(bytes < MetaArena::kCellMin ? MetaArena::kCellMin : std::bit_ceil(bytes));
}

constexpr uint32_t long_entries(ClassIndex c) {
  return static_cast<uint32_t>(long_bytes(c).count() / sizeof(void*)) - kEndWords;
}

// Where the short place of each class begins, in words; the last entry is the size of all.
inline constexpr std::array<uint16_t, kClasses + 1> kShortPlaces = [] {
  std::array<uint16_t, kClasses + 1> places{};
  uint32_t at = 0;
  for (uint32_t i = 0; i < kClasses; ++i) {
    places[i] = static_cast<uint16_t>(at);
    at += short_entries(ClassIndex(i)) + kEndWords;
  }
  places[kClasses] = static_cast<uint16_t>(at);
  return places;
}();

static_assert(long_bytes(ClassIndex(0)) == kib(16));
static_assert(long_entries(ClassIndex(kClasses - 1)) >= entries_max(ClassIndex(kClasses - 1)));

}  // namespace hakmem
