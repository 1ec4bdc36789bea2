// hardened/block_view.h: one block as the checks see it.
//
// Responsibility  Find a block's record; write and check what surrounds its contents.
// Contract        A Place is the start of a possible block of a slab of ours. arm() makes a block live;
//                 require_sound() ends the process when its surroundings were written to.
// Observable      Nothing.
// Composable      superslab. Used by hardened only.
#pragma once

#include <string.h>

#include <atomic>
#include <bit>

#include "os/processor.h"
#include "superslab/block_record.h"
#include "superslab/canary.h"

namespace hakmem::hardened {

// A block of a slab, by address arithmetic alone.
struct Place {
  uintptr_t block;
  size_t bytes;
  RecordWord* record;  // nullptr: no block of a slab starts there
};

// Of an address that a block's index was computed from, `offset` bytes into the reservation.
[[gnu::always_inline]] inline Place tiny_place_at(const Reservation& home, uintptr_t address,
                                                  size_t offset, const SizeClass& info, uint32_t index) {
  return Place{address, info.block_bytes, &home.record_at(offset, index)};
}

// Of block `index` of its slab, if that is where a block starts.
[[gnu::always_inline]] inline bool starts_block(const SizeClass& info, size_t offset, uint32_t index) {
  return size_t{index} * info.block_bytes == (offset & (kSlotBytes.count() - 1));
}

[[gnu::always_inline]] inline uint32_t tiny_index(const SizeClass& info, size_t offset) {
  return block_index(info, offset & (kSlotBytes.count() - 1));
}

// Of a block of a slab of several slots or of mid blocks, `offset` bytes into the reservation; nullptr where none starts.
[[gnu::always_inline]] inline RecordWord* mid_record(const Reservation& home, size_t offset, uintptr_t block) {
  const Slab& slab = *home.slot_at(offset).head();
  const uint32_t index = block_starting_at(slab, block);
  return index == kNoBlock ? nullptr : &home.record_at(home.offset_of(slab.base), index);
}

inline Place place_of(const Reservation& home, size_t offset, ClassIndex c) {
  const SizeClass& info = class_info(c);
  Place place{home.base + offset, info.block_bytes, nullptr};
  if (c.count() < kTinyClasses) {
    // What is left behind the last block has an index, too, and its record is never a live one.
    const uint32_t index = tiny_index(info, offset);
    return starts_block(info, offset, index) ? tiny_place_at(home, place.block, offset, info, index) : place;
  }
  place.record = mid_record(home, offset, place.block);
  return place;
}

// relaxed: only who holds the block writes it; see block_record.h.
inline BlockRecord load_record(const Place& place) {
  return BlockRecord(place.record->load(std::memory_order_relaxed));
}
inline void store_record(const Place& place, BlockRecord record) {
  place.record->store(record.word(), std::memory_order_relaxed);
}

// By type, because parts of the library are compiled without builtins.
using LooseWord [[gnu::may_alias, gnu::aligned(1)]] = uint64_t;
inline uint64_t load_unaligned(uintptr_t at) { return *reinterpret_cast<const LooseWord*>(at); }
inline void store_unaligned(uintptr_t at, uint64_t value) { *reinterpret_cast<LooseWord*>(at) = value; }

// Behind what was asked for the canary's bytes repeat, each at its place in a word, to the end of the block:
// so a word that is read from any byte on agrees with the last word where it reaches into it.
[[gnu::always_inline]] inline uint64_t seam_of(uint64_t canary, size_t size) {
  return std::rotr(canary, static_cast<int>(size * 8 % 64));
}

// `canary` is that of the block's last word, and there already: where the seam reaches into it, it writes what is
// there.
[[gnu::always_inline]] inline void write_seam(uintptr_t block, size_t size, uintptr_t end, uint64_t canary) {
  os::store_again(block + size, seam_of(canary, size), end);
}

inline void write_canaries_of(uintptr_t block, size_t size, size_t bytes) {
  const uintptr_t end = block + bytes - kCanaryBytes;
  const uint64_t canary = canary_at(end);
  store_word(end, canary);
  write_seam(block, size, end, canary);
}

[[gnu::always_inline]] inline bool canaries_are_sound(uintptr_t block, size_t size, size_t bytes) {
  const uintptr_t end = block + bytes - kCanaryBytes;
  const uint64_t canary = canary_at(end);
  return ((load_unaligned(block + size) ^ seam_of(canary, size)) | (load_word(end) ^ canary)) == 0;
}

// The program is about to get these bytes. The last word stays.
inline void erase_seam(uintptr_t block, size_t size, size_t bytes) {
  const size_t gap = bytes - kCanaryBytes - size;
  memset(reinterpret_cast<void*>(block + size), 0, gap < kCanaryBytes ? gap : kCanaryBytes);
}

}  // namespace hakmem::hardened
