// superslab/slab.h: one slab's metadata, out of band.
//
// Responsibility  Which blocks of a slab are free; the arithmetic between block and address.
// Contract        A Slab is the type-stable 64-byte record of its first slot; the records of its
//                 other slots only know how far back the head is. popcount(bitmap) == free_count.
//                 Bits and list links belong to whoever holds the owner's slow-path lock; base,
//                 class, slots and birth are constant from acquire to release (a large block's class and
//                 slots change with it).
// Observable      free_count, blocks, bitmap words; count_free_bits() for the walker.
// Composable      config/size_class. Used by pool (which creates and ends slabs), front, observe.
#pragma once

#include "base/check.h"
#include "config/size_class.h"

namespace hakmem {

struct alignas(64) Slab {
  uintptr_t base;    // first byte of the first slot; 0 unless head of a slab
  uint64_t* bitmap;  // 1 = free; &inline_word for up to 64 blocks
  uint64_t inline_word;
  Slab* next;  // neighbours in the owner's list of slabs with free blocks
  Slab* previous;
  uint32_t free_count;
  uint16_t blocks;
  uint16_t start_word;  // where refills begin to look: the slab's colour
  uint8_t size_class;
  uint8_t slots;
  uint8_t head_distance;  // slots back to the head; 0 in the head itself
  bool listed;            // in the owner's list
  bool has_purged_pages;  // perhaps: some record of the slab says so
  uint16_t purged_pages;  // of this record's slot; see superslab/slab_pages.h
  uint16_t seen_free;     // free_count when a hole purge last came by
  uint32_t born;          // slab_clock() of the acquire; adoption does not change it

  ClassIndex class_index() const { return ClassIndex(size_class); }
  SlotCount slot_count() const { return SlotCount(slots); }
  uint32_t words() const { return (blocks + 63u) / 64u; }
  bool all_free() const { return free_count == blocks; }

  bool covers(uintptr_t address) const {
    return address - base < size_t{slots} << kSlotShift;
  }

  Slab* head() { return this - head_distance; }

  uintptr_t block_address(uint32_t index) const {
    return base + size_t{index} * class_info(class_index()).block_bytes;
  }
};
static_assert(sizeof(Slab) == 64);

// 795 days until it wraps: a slab reads as that much younger then. Finer than what is asked of it: how old a slab is,
// and which of two things came first.
inline constexpr uint32_t kSlabClockMs = 16;
inline uint32_t slab_clock(Milliseconds now) { return static_cast<uint32_t>(now.count() / kSlabClockMs); }

inline constexpr uint32_t kNoBlock = UINT32_MAX;

// Index of the block at `offset` in a slab of so many blocks, or kNoBlock when none starts there.
inline uint32_t block_at_offset(const SizeClass& info, uint32_t blocks, size_t offset) {
  const uint32_t index = block_index(info, offset);
  if (index >= blocks || size_t{index} * info.block_bytes != offset) return kNoBlock;
  return index;
}

// Index of the block that starts at `address`, or kNoBlock when none does.
inline uint32_t block_starting_at(const Slab& slab, uintptr_t address) {
  return block_at_offset(class_info(slab.class_index()), slab.blocks, address - slab.base);
}

inline bool block_is_free(const Slab& slab, uint32_t index) {
  return (slab.bitmap[index / 64] >> (index % 64) & 1) != 0;
}

// Moves up to `want` free blocks' addresses to end[-1], end[-2], ...: lowest address last, so that
// a stack filled this way gives it out first. Returns how many. Hardened flavour: any of them, in any order.
uint32_t take_blocks(Slab& slab, void** end, uint32_t want);

// Where a series of blocks is put without reading the record again for each of them.
class BlockPutter {
 public:
  explicit BlockPutter(Slab* slab)
      : slab_(slab),
        bitmap_(slab->bitmap),
        base_(slab->base),
        bytes_(size_t{slab->slots} << kSlotShift),
        info_(class_info(slab->class_index())),
        blocks_(slab->blocks) {}
  ~BlockPutter() { settle(); }
  BlockPutter(const BlockPutter&) = delete;
  BlockPutter& operator=(const BlockPutter&) = delete;

  bool covers(const void* block) const { return offset_of(block) < bytes_; }
  // kNoBlock when no block starts there.
  uint32_t index_of(const void* block) const {
    return block_at_offset(info_, blocks_, offset_of(block));
  }
  // False when the block was free already; then nothing changed.
  bool put(uint32_t index) {
    uint64_t& word = bitmap_[index / 64];
    const uint64_t bit = uint64_t{1} << (index % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    ++put_;
    return true;
  }
  // The record agrees with its bitmap, for whoever looks before this ends.
  void settle() {
    slab_->free_count += put_;
    put_ = 0;
  }

 private:
  size_t offset_of(const void* block) const { return reinterpret_cast<uintptr_t>(block) - base_; }

  Slab* const slab_;
  uint64_t* const bitmap_;
  const uintptr_t base_;
  const size_t bytes_;
  const SizeClass info_;
  const uint32_t blocks_;
  uint32_t put_ = 0;
};

// False when the block was free already (then nothing changed).
inline bool put_block(Slab& slab, uint32_t index) { return BlockPutter(&slab).put(index); }

uint32_t count_free_bits(const Slab& slab);

// Bytes of bitmap a class needs outside the record; 0 when the inline word suffices.
Bytes bitmap_bytes(ClassIndex size_class);

}  // namespace hakmem
