// config/size_class.h: the one table of size classes.
//
// Responsibility  Map a request to a class, a class to its block size and its slab.
// Contract        class_of(n) is the smallest class whose block holds n bytes, for every n up to
//                 kLargeMax; block_index() is exact for every offset in a slab (asserted below).
//                 16-byte steps to 128, then 8 classes a doubling to 2 MiB.
// Observable      kClassTable.
// Composable      config/geometry. Used by superslab, pool, front, large, heap.
#pragma once

#include <array>

#include "config/geometry.h"

namespace hakmem {

// Tiny: one slot, many blocks. Mid: as many slots as give 8 blocks. Large: one block a slab.
inline constexpr size_t kTinyMax = size_t{1} << 10;
inline constexpr size_t kMidMax = size_t{32} << 10;
inline constexpr size_t kLargeMax = size_t{2} << 20;
inline constexpr uint32_t kMidBlocksMin = 8;

inline constexpr uint32_t kClasses = 120;
inline constexpr uint32_t kTinyClasses = 32;
inline constexpr uint32_t kFirstLargeClass = 72;

// Multiplying by ceil(2^40 / size) and shifting replaces the division that finds a block's index.
inline constexpr uint32_t kReciprocalShift = 40;

struct SizeClass {
  uint32_t block_bytes;
  uint16_t blocks;  // per slab
  uint16_t slots;   // per slab
  uint64_t reciprocal;
};

// Class of 129 .. kLargeMax bytes: the doubling times eight, plus the leading four bits of the last
// byte's offset. The doubling from 128 to 256 begins at class 8.
constexpr uint32_t class_index_in_doubling(size_t size) {
  const size_t last = size - 1;
  const uint32_t top = 63u ^ static_cast<uint32_t>(__builtin_clzll(last));
  return (top - 7) * 8 + static_cast<uint32_t>(last >> (top - 3));
}

constexpr uint32_t class_index_computed(size_t size) {
  if (size > 128) return class_index_in_doubling(size);
  return size == 0 ? 0 : static_cast<uint32_t>((size - 1) / 16);
}

constexpr size_t class_block_bytes(uint32_t index) {
  if (index < 8) return (index + 1) * size_t{16};
  const uint32_t doubling = (index - 8) / 8;
  return (size_t{128} << doubling) + ((index - 8) % 8 + 1) * (size_t{16} << doubling);
}

constexpr SizeClass make_size_class(uint32_t index) {
  const size_t size = class_block_bytes(index);
  size_t slots = 1;
  size_t blocks = 1;
  if (size <= kMidMax) {
    while (slots * kSlotBytes.count() / size < kMidBlocksMin) ++slots;
    blocks = slots * kSlotBytes.count() / size;
  } else {
    slots = round_up(size, kSlotBytes.count()) / kSlotBytes.count();
  }
  return SizeClass{static_cast<uint32_t>(size), static_cast<uint16_t>(blocks),
                   static_cast<uint16_t>(slots),
                   ((uint64_t{1} << kReciprocalShift) + size - 1) / size};
}

inline constexpr std::array<SizeClass, kClasses> kClassTable = [] {
  std::array<SizeClass, kClasses> table{};
  for (uint32_t i = 0; i < kClasses; ++i) table[i] = make_size_class(i);
  return table;
}();

// Class of (size + 15) / 16 for tiny sizes: one byte load instead of the computation.
inline constexpr std::array<uint8_t, kTinyMax / 16 + 1> kTinyClassTable = [] {
  std::array<uint8_t, kTinyMax / 16 + 1> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<uint8_t>(class_index_computed(i * size_t{16}));
  }
  return table;
}();

inline ClassIndex tiny_class_of(size_t size) {
  return ClassIndex(kTinyClassTable[(size + 15) / 16]);
}

// size in kTinyMax + 1 .. kLargeMax.
inline ClassIndex mid_class_of(size_t size) { return ClassIndex(class_index_in_doubling(size)); }

inline ClassIndex class_of(size_t size) {
  return size <= kTinyMax ? tiny_class_of(size) : mid_class_of(size);
}

inline const SizeClass& class_info(ClassIndex index) { return kClassTable[index.count()]; }

inline Bytes block_bytes(ClassIndex index) { return Bytes(class_info(index).block_bytes); }

constexpr bool is_large(ClassIndex index) { return index.count() >= kFirstLargeClass; }

// Number of the block that `offset` bytes into a slab lies in.
constexpr uint32_t block_index(const SizeClass& info, size_t offset) {
  return static_cast<uint32_t>(offset * info.reciprocal >> kReciprocalShift);
}

namespace size_class_proof {

// The index only steps up, so exactness at both ends of each block proves every offset.
constexpr bool reciprocals_are_exact() {
  for (const SizeClass& info : kClassTable) {
    if (info.blocks == 1) continue;
    for (uint32_t block = 0; block < info.blocks; ++block) {
      const size_t begin = size_t{block} * info.block_bytes;
      if (block_index(info, begin) != block) return false;
      if (block_index(info, begin + info.block_bytes - 1) != block) return false;
    }
    const size_t end = size_t{info.slots} << kSlotShift;
    if (block_index(info, end - 1) > info.blocks) return false;
  }
  return true;
}

constexpr bool classes_round_trip() {
  for (uint32_t i = 0; i < kClasses; ++i) {
    if (class_index_computed(class_block_bytes(i)) != i) return false;
    if (i + 1 < kClasses && class_index_computed(class_block_bytes(i) + 1) != i + 1) return false;
    if (class_block_bytes(i) % kMinAlignment != 0) return false;
  }
  return true;
}

static_assert(reciprocals_are_exact());
static_assert(classes_round_trip());
static_assert(class_block_bytes(kTinyClasses - 1) == kTinyMax);
static_assert(class_block_bytes(kFirstLargeClass - 1) == kMidMax);
static_assert(class_block_bytes(kClasses - 1) == kLargeMax);
static_assert(kClasses <= 1u << kTagClassBits);
// A constant cache's tag never meets a slot's tag, not even an unused one's.
static_assert(((make_tag(kConstantOwner, ClassIndex(0)) ^ kUnusedTag) >> kTagClassBits) != 0);
static_assert(kOwnerMax < kInteriorOwner.count());

}  // namespace size_class_proof

}  // namespace hakmem
