#include "large/retained_ranges.h"

namespace hakmem {

namespace {

using Range = RetainedRanges::Range;

// `range` with a neighbour on either side.
Range joined(const Range& range, const Range& neighbour) {
  return Range{range.address < neighbour.address ? range.address : neighbour.address,
               range.size + neighbour.size,
               range.size < neighbour.size ? neighbour.since : range.since, range.is_stuck || neighbour.is_stuck};
}

// What is not worth a range of its own beside a block of this size.
size_t crumb_of(size_t size) {
  constexpr size_t kLeast = size_t{64} << 10;
  return size / 16 < kLeast ? kLeast : size / 16;
}

bool touch(const Range& a, const Range& b) {
  return a.address + a.size == b.address || b.address + b.size == a.address;
}

}  // namespace

Range RetainedRanges::remove(uint32_t index) {
  const Range gone = ranges_[index];
  ranges_[index] = ranges_[--count_];
  bytes_ -= gone.size;
  return gone;
}

Range RetainedRanges::cut_front(uint32_t index, size_t size) {
  Range& range = ranges_[index];
  if (range.size < size + crumb_of(size)) return remove(index);
  const Range front{range.address, size, range.since};
  range.address += size;
  range.size -= size;
  bytes_ -= size;
  return front;
}

bool RetainedRanges::put(const Range& range) {
  Range whole = range;
  for (uint32_t i = 0; i < count_;) {
    if (touch(ranges_[i], whole)) {
      whole = joined(whole, remove(i));
    } else {
      ++i;
    }
  }
  if (count_ == kMax) return false;
  ranges_[count_++] = whole;
  bytes_ += whole.size;
  return true;
}

Range RetainedRanges::take(size_t size, size_t alignment) {
  uint32_t best = count_;
  for (uint32_t i = 0; i < count_; ++i) {
    if (ranges_[i].size < size || (ranges_[i].address & (alignment - 1)) != 0) continue;
    if (best == count_ || ranges_[i].size < ranges_[best].size) best = i;
  }
  return best == count_ ? Range{} : cut_front(best, size);
}

size_t RetainedRanges::take_at(uintptr_t address, size_t size) {
  for (uint32_t i = 0; i < count_; ++i) {
    if (ranges_[i].address == address) return cut_front(i, size).size;
  }
  return 0;
}

Range RetainedRanges::take_largest_below(size_t size) {
  uint32_t largest = count_;
  for (uint32_t i = 0; i < count_; ++i) {
    if (ranges_[i].size >= size || ranges_[i].is_stuck) continue;
    if (largest == count_ || ranges_[i].size > ranges_[largest].size) largest = i;
  }
  return largest == count_ ? Range{} : remove(largest);
}

Range RetainedRanges::take_oldest(Milliseconds until, size_t size) {
  uint32_t oldest = count_;
  for (uint32_t i = 0; i < count_; ++i) {
    if (until < ranges_[i].since) continue;
    if (oldest == count_ || ranges_[i].since < ranges_[oldest].since) oldest = i;
  }
  if (oldest == count_) return {};
  Range& range = ranges_[oldest];
  if (range.size <= size) return remove(oldest);
  range.size -= size;
  bytes_ -= size;
  return Range{range.address + range.size, size, range.since};
}

}  // namespace hakmem
