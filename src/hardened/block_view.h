// hardened/block_view.h: one block as the checks see it.
//
// Responsibility  Find a block's record; write and check what surrounds its contents.
// Contract        A Place is the start of a possible block of a slab of ours. arm() makes a block live;
//                 require_sound() ends the process when its surroundings were written to.
// Observable      Nothing.
// Composable      superslab. Used by hardened only.
#pragma once

#include <string.h>

#include "superslab/block_record.h"
#include "superslab/canary.h"

namespace hakmem::hardened {

// A block of a slab, by address arithmetic alone.
struct Place {
  uintptr_t block;
  size_t bytes;
  RecordWord* record;  // nullptr: no block of a slab starts there
};

// `offset` is below the reservation's size, and `c` the class of its slot's tag.
inline Place tiny_place(const Reservation& home, size_t offset, ClassIndex c) {
  const SizeClass& info = class_info(c);
  const size_t in_slot = offset & (kSlotBytes.count() - 1);
  const uint32_t index = block_index(info, in_slot);
  Place place{home.base + offset, info.block_bytes, nullptr};
  // What is left behind the last block has an index, too, and its record is never a live one.
  if (size_t{index} * info.block_bytes == in_slot) place.record = &home.record_at(offset, index);
  return place;
}

inline Place place_of(const Reservation& home, size_t offset, ClassIndex c) {
  if (c.count() < kTinyClasses) return tiny_place(home, offset, c);
  const Slab& slab = *home.slot_at(offset).head();
  Place place{home.base + offset, class_info(c).block_bytes, nullptr};
  const uint32_t index = block_starting_at(slab, place.block);
  if (index != kNoBlock) place.record = &home.record_at(home.offset_of(slab.base), index);
  return place;
}

// relaxed: only who holds the block writes it; see block_record.h.
inline BlockRecord load_record(const Place& place) {
  return BlockRecord(place.record->load(std::memory_order_relaxed));
}
inline void store_record(const Place& place, BlockRecord record) {
  place.record->store(record.word(), std::memory_order_relaxed);
}

inline uint64_t load_unaligned(uintptr_t at) {
  uint64_t value;
  memcpy(&value, reinterpret_cast<const void*>(at), sizeof value);
  return value;
}
inline void store_unaligned(uintptr_t at, uint64_t value) {
  memcpy(reinterpret_cast<void*>(at), &value, sizeof value);
}

// The word that holds the bytes right behind what was asked for. It ends where the last word begins, at the
// latest, so that no write of it shows a neighbour a last word that is half written; then contents lie in
// its lower bytes.
struct Seam {
  uintptr_t at;
  uint64_t mask;  // of the bytes behind the contents
};

inline Seam seam_of(uintptr_t block, size_t size, size_t bytes) {
  const size_t gap = bytes - kCanaryBytes - size;
  const size_t contents = gap < kCanaryBytes ? kCanaryBytes - gap : 0;
  // In two steps, because a shift by all 64 bits is none.
  return Seam{block + size - contents, ~uint64_t{0} << contents * 4 << contents * 4};
}

inline void write_seam(Seam seam, uint64_t canary) {
  store_unaligned(seam.at, (load_unaligned(seam.at) & ~seam.mask) | (canary & seam.mask));
}

// The canary of a block: right behind what was asked for, and in its last word.
inline void write_canaries(uintptr_t block, size_t size, size_t bytes) {
  const uintptr_t end = block + bytes - kCanaryBytes;
  const uint64_t canary = canary_at(end);
  write_seam(seam_of(block, size, bytes), canary);
  store_word(end, canary);
}

inline bool canaries_are_sound(uintptr_t block, size_t size, size_t bytes) {
  const uintptr_t end = block + bytes - kCanaryBytes;
  const uint64_t canary = canary_at(end);
  const Seam seam = seam_of(block, size, bytes);
  return (((load_unaligned(seam.at) ^ canary) & seam.mask) | (load_word(end) ^ canary)) == 0;
}

// A block is whole pairs of words; every machine has registers for one.
using WordPair [[gnu::vector_size(16), gnu::may_alias]] = uint64_t;
using Word [[gnu::may_alias]] = uint64_t;
static_assert(sizeof(WordPair) == kMinAlignment);

// From here on what a loop of four pairs leaves over may overlap what it did.
inline constexpr size_t kOverlapMin = 64;

// All words of a block but the last.
[[gnu::always_inline]] inline bool reads_as_zero(uintptr_t block, size_t bytes) {
  const auto* pair = reinterpret_cast<const WordPair*>(block);
  const auto* last = reinterpret_cast<const WordPair*>(block + bytes) - 1;
  WordPair any = {*reinterpret_cast<const Word*>(last), 0};
  if (bytes >= kOverlapMin) [[likely]] {
    for (; pair + 4 <= last; pair += 4) any |= (pair[0] | pair[1]) | (pair[2] | pair[3]);
    any |= last[-1] | last[-2] | last[-3];
  } else {
    for (; pair < last; ++pair) any |= *pair;
  }
  return (any[0] | any[1]) == 0;
}

// Zeroes the same.
[[gnu::always_inline]] inline void clear(uintptr_t block, size_t bytes) {
  // Beyond this the C library's way pays for its call.
  constexpr size_t kInlineMax = 512;
  constexpr WordPair kZero = {0, 0};
  auto* pair = reinterpret_cast<WordPair*>(block);
  auto* last = reinterpret_cast<WordPair*>(block + bytes) - 1;
  if (bytes > kInlineMax) {
    memset(pair, 0, bytes - kCanaryBytes);
    return;
  }
  if (bytes >= kOverlapMin) [[likely]] {
    for (; pair + 4 <= last; pair += 4) pair[0] = pair[1] = pair[2] = pair[3] = kZero;
    last[-1] = last[-2] = last[-3] = kZero;
  } else {
    if (bytes > 16) pair[0] = kZero;
    if (bytes > 32) pair[1] = kZero;
  }
  *reinterpret_cast<Word*>(last) = 0;
}

}  // namespace hakmem::hardened
