#include "base/units.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace hakmem {
namespace {

template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept Comparable = requires(A a, B b) {
  a < b;
};
template <class A, class B>
concept Assignable = requires(A a, B b) {
  a += b;
};

TEST(Units, DifferentUnitsDoNotMix) {
  static_assert(Addable<Bytes, Bytes> && Comparable<Bytes, Bytes> && Assignable<Bytes, Bytes>);
  static_assert(!Addable<Bytes, SlotCount> && !Addable<SlotCount, ClassIndex>);
  static_assert(!Addable<Bytes, size_t> && !Addable<ClassIndex, int>);
  static_assert(!Comparable<Bytes, Milliseconds> && !Comparable<OwnerId, ClassIndex>);
  static_assert(!Assignable<Bytes, size_t> && !Assignable<SlotCount, ClassIndex>);
  static_assert(!std::is_constructible_v<Bytes, SlotCount>);
  static_assert(!std::is_assignable_v<OwnerId&, ClassIndex>);
}

TEST(Units, ConstructionIsExplicitAndConversionHasAName) {
  static_assert(std::is_constructible_v<Bytes, size_t> && !std::is_convertible_v<size_t, Bytes>);
  static_assert(!std::is_convertible_v<Bytes, size_t>);
  EXPECT_EQ(Bytes(123).count(), 123U);
  EXPECT_EQ(Bytes().count(), 0U);
}

TEST(Units, AQuantityIsItsRepresentation) {
  static_assert(sizeof(Bytes) == sizeof(size_t) && sizeof(ClassIndex) == sizeof(uint32_t));
  static_assert(std::is_trivially_copyable_v<Bytes> && std::is_trivially_destructible_v<Bytes>);
}

TEST(Units, Arithmetic) {
  Bytes sum(5);
  sum += Bytes(7);
  EXPECT_EQ(sum, Bytes(12));
  sum -= Bytes(2);
  EXPECT_EQ(sum, Bytes(10));
  EXPECT_EQ(Bytes(3) + Bytes(4), Bytes(7));
  EXPECT_EQ(Bytes(9) - Bytes(4), Bytes(5));
  EXPECT_EQ((SlotCount(UINT32_MAX) + SlotCount(2)).count(), 1U);
}

TEST(Units, Order) {
  EXPECT_LT(Bytes(1), Bytes(2));
  EXPECT_GE(Bytes(2), Bytes(2));
  EXPECT_NE(ClassIndex(0), ClassIndex(1));
  EXPECT_GT(Milliseconds(UINT64_MAX), Milliseconds(0));
}

TEST(Units, Multiples) {
  EXPECT_EQ(kib(3).count(), 3072U);
  EXPECT_EQ(mib(2).count(), 2u << 20);
  EXPECT_EQ(gib(5).count(), size_t{5} << 30);
}

}  // namespace
}  // namespace hakmem
