// front/class_figures.h: what a short way needs to find a block's record. Hardened flavour only.
//
// Responsibility  Copies, in the thread's own cache, of the tiny classes' figures and of where the records lie:
//                 with the cache at hand, each is one load.
// Contract        Constant from the cache's first day. Offsets are into the primary reservation.
// Observable      Nothing.
// Composable      config/size_class, registry. Used by ThreadCache and hardened.
#pragma once

#include <array>

#include "config/size_class.h"
#include "superslab/registry.h"

namespace hakmem {

class ClassFigures {
 public:
  explicit ClassFigures(const Reservation& primary) : records_(primary.records) {
    for (uint32_t c = 0; c < kTinyClasses; ++c) {
      reciprocals_[c] = kClassTable[c].reciprocal;
      bytes_[c] = kClassTable[c].block_bytes;
    }
  }

  size_t bytes(ClassIndex c) const { return bytes_[c.count()]; }

  // As block_index(): of the block that lies `within` bytes from its slab's beginning.
  uint32_t index(ClassIndex c, size_t within) const {
    return static_cast<uint32_t>(within * reciprocals_[c.count()] >> kReciprocalShift);
  }

  RecordWord* record_at(size_t offset, uint32_t index) const {
    return &records_[(offset >> kSlotShift) * kRecordsPerSlot + index];
  }

 private:
  RecordWord* records_;
  std::array<uint64_t, kTinyClasses> reciprocals_;
  std::array<uint32_t, kTinyClasses> bytes_;
};

// What a cache has of them in the default flavour.
struct NoFigures {
  explicit NoFigures(const Reservation&) {}
  static size_t bytes(ClassIndex) { return 0; }
  static uint32_t index(ClassIndex, size_t) { return 0; }
  static RecordWord* record_at(size_t, uint32_t) { return nullptr; }
};

}  // namespace hakmem
