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

struct StackLayout {
  uint16_t short_place;    // in words, from the beginning of all short places
  uint16_t short_entries;  // that it has room for
  uint16_t entries_max;
  uint16_t long_entries;  // that a cell of long_bytes has room for
  uint32_t long_bytes;

  constexpr uint32_t short_end() const { return short_place + short_entries + kEndWords; }
};

constexpr StackLayout make_stack_layout(uint32_t size_class, uint32_t short_place) {
  const auto within = [size_class](Bytes bytes, uint32_t most) {
    const size_t fit = bytes.count() / class_block_bytes(size_class);
    return static_cast<uint16_t>(fit < most ? fit : most);
  };
  StackLayout layout{};
  layout.short_place = static_cast<uint16_t>(short_place);
  layout.short_entries = within(kShortBytes, kShortEntries);
  layout.entries_max = within(kStackBytesMax, kEntriesMax);
  const size_t bytes = (layout.entries_max + kEndWords) * sizeof(void*);
  layout.long_bytes =
      static_cast<uint32_t>(bytes < MetaArena::kCellMin ? MetaArena::kCellMin : std::bit_ceil(bytes));
  layout.long_entries = static_cast<uint16_t>(layout.long_bytes / sizeof(void*) - kEndWords);
  return layout;
}

inline constexpr std::array<StackLayout, kClasses> kStackLayouts = [] {
  std::array<StackLayout, kClasses> layouts{};
  uint32_t at = 0;
  for (uint32_t i = 0; i < kClasses; ++i) {
    layouts[i] = make_stack_layout(i, at);
    at = layouts[i].short_end();
  }
  return layouts;
}();

inline constexpr uint32_t kShortWords = kStackLayouts[kClasses - 1].short_end();

constexpr const StackLayout& stack_layout(ClassIndex c) { return kStackLayouts[c.count()]; }
constexpr uint32_t short_entries(ClassIndex c) { return stack_layout(c).short_entries; }

static_assert(kStackLayouts[0].long_bytes == 16 << 10);

// Bytes of blocks a refill or a flush moves at most: beyond this the lock is amortised and memory is tied up.
inline constexpr Bytes kBatchBytes = kib(64);
// Nor does a flush move more blocks than this, each of which may lie in another slab: its thread waits.
inline constexpr uint32_t kFlushedMax = 128;
// But a pool visit for each large block would be no flush.
inline constexpr uint32_t kFlushedMin = 4;

inline uint32_t batch_by_bytes(ClassIndex c) {
  return static_cast<uint32_t>(kBatchBytes.count() / block_bytes(c).count());
}

inline uint32_t flush_size(ClassIndex c) {
  const uint32_t blocks = batch_by_bytes(c);
  if (blocks < kFlushedMin) return kFlushedMin;
  return blocks < kFlushedMax ? blocks : kFlushedMax;
}

}  // namespace hakmem
