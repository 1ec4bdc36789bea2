// large/retained_ranges.h: freed mappings that stay mapped and dirty, to be used again.
//
// Responsibility  Give a block the front of a range, or what lies behind it to grow into; join what comes back.
// Contract        Ranges are apart, never two that touch, and none is cut down to a crumb: there is room for few. A range is as old as the larger of the parts it was
//                 joined from. Not locked: the huge blocks' lock. No system call.
// Observable      bytes(), count().
// Composable      base. Used by huge.
#pragma once

#include "base/units.h"

namespace hakmem {

class RetainedRanges {
 public:
  struct Range {
    uintptr_t address = 0;
    size_t size = 0;  // 0: none
    Milliseconds since;
    bool is_stuck = false;  // the system would not grow it
  };

  static constexpr uint32_t kMax = 64;

  constexpr RetainedRanges() = default;

  size_t bytes() const { return bytes_; }
  uint32_t count() const { return count_; }

  // False when there are too many already.
  bool put(const Range& range);
  // The front of the smallest range that has so much, or all of it when only a crumb would be left.
  Range take(size_t size, size_t alignment);
  // The same of the range that begins at `address`, or all of it when it is smaller. Returns its bytes.
  size_t take_at(uintptr_t address, size_t size);
  // Of those that are not stuck.
  Range take_largest_below(size_t size);
  // The end, at most `size`, of the oldest. Size 0 when none is as old as that.
  Range take_oldest(Milliseconds until, size_t size);

 private:
  Range remove(uint32_t index);
  Range cut_front(uint32_t index, size_t size);

  Range ranges_[kMax] = {};
  uint32_t count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace hakmem
