// base/units.h: numbers that know what they count.
//
// Responsibility  Keep bytes, slots, classes and owners apart at compile time.
// Contract        Construction is explicit, count() converts back by name; no arithmetic
//                 across units.
// Observable      Nothing: a Quantity compiles to its representation.
// Composable      Needs nothing. Used everywhere.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace hakmem {

template <class Tag, class Rep>
class Quantity {
 public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(Rep count) : count_(count) {}

  constexpr Rep count() const { return count_; }

  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(static_cast<Rep>(a.count_ + b.count_));
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(static_cast<Rep>(a.count_ - b.count_));
  }
  constexpr Quantity& operator+=(Quantity other) { return *this = *this + other; }
  constexpr Quantity& operator-=(Quantity other) { return *this = *this - other; }

 private:
  Rep count_ = 0;
};

using Bytes = Quantity<struct BytesTag, size_t>;
// A run of 64 KiB slots.
using SlotCount = Quantity<struct SlotCountTag, uint32_t>;
// Row of the size-class table.
using ClassIndex = Quantity<struct ClassIndexTag, uint32_t>;
// Number of a thread cache; lives in the upper 24 bits of a tag.
using OwnerId = Quantity<struct OwnerIdTag, uint32_t>;
// Monotonic time since some fixed point.
using Milliseconds = Quantity<struct MillisecondsTag, uint64_t>;

constexpr Bytes kib(size_t n) { return Bytes(n << 10); }
constexpr Bytes mib(size_t n) { return Bytes(n << 20); }
constexpr Bytes gib(size_t n) { return Bytes(n << 30); }

}  // namespace hakmem
