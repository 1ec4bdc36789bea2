// superslab/block_record.h: what the hardened flavour knows of one block, out of band.
//
// Responsibility  The layout of a 32-bit record: live or not, whose call asked, alignment, exact size.
// Contract        Pure functions. A slab's records lie at record_at(its head, index), which depends on
//                 addresses alone; a huge block's in its table. Only who holds a block writes its
//                 record, so two frees of one block that race are seen at the latest when it is handed
//                 out again.
// Observable      Everything.
// Composable      registry. Used by large, hardened, misuse.
#pragma once

#include "superslab/registry.h"

namespace hakmem {

// What asked for a block, or frees it.
enum class Origin : uint32_t {
  kMalloc,
  kNew,
  kNewArray,
  kNewAligned,
  kNewArrayAligned,
  kAny,  // the caller cannot tell: it fits every block
};

enum class BlockState : uint32_t {
  kNever,       // not handed out since its slab was acquired, as far as anybody remembers
  kLive,        // the program's
  kFreed,       // with its contents
  kFreedZeroed,  // reads as zero until it is handed out again
};

class BlockRecord {
 public:
  constexpr explicit BlockRecord(uint32_t word) : word_(word) {}
  // `size`: what the program asked for; of a huge block, what is left behind that.
  constexpr BlockRecord(size_t size, Origin origin, uint32_t alignment_shift)
      : word_(static_cast<uint32_t>(BlockState::kLive) | static_cast<uint32_t>(origin) << kOriginShift |
              alignment_shift << kAlignmentShift | static_cast<uint32_t>(size) << kSizeShift) {}

  constexpr uint32_t word() const { return word_; }
  constexpr BlockState state() const { return static_cast<BlockState>(word_ & kStateMask); }
  constexpr bool live() const { return state() == BlockState::kLive; }
  constexpr Origin origin() const { return static_cast<Origin>(word_ >> kOriginShift & 7); }
  constexpr uint32_t alignment_shift() const { return word_ >> kAlignmentShift & 31; }
  constexpr size_t size() const { return word_ >> kSizeShift; }

  // Of a live block from that origin, whatever its size and alignment: one compare.
  constexpr bool live_from(Origin origin) const {
    constexpr uint32_t kMask = (1u << kAlignmentShift) - 1;
    return (word_ & kMask) ==
           (static_cast<uint32_t>(BlockState::kLive) | static_cast<uint32_t>(origin) << kOriginShift);
  }

  constexpr BlockRecord with(BlockState state) const {
    return BlockRecord((word_ & ~kStateMask) | static_cast<uint32_t>(state));
  }

 private:
  static constexpr uint32_t kStateMask = 3;
  static constexpr uint32_t kOriginShift = 2;
  static constexpr uint32_t kAlignmentShift = 5;
  static constexpr uint32_t kSizeShift = 10;
  static_assert(kLargeMax < size_t{1} << (32 - kSizeShift));

  uint32_t word_;
};

inline constexpr uint32_t kNeverRecord = 0;

}  // namespace hakmem
