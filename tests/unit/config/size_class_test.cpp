#include "config/size_class.h"

#include <gtest/gtest.h>

namespace hakmem {
namespace {

size_t bytes_of(uint32_t index) { return class_info(ClassIndex(index)).block_bytes; }

TEST(SizeClass, EverySizeGetsTheSmallestClassThatHoldsIt) {
  uint32_t expected = 0;
  for (size_t size = 0; size <= kLargeMax; ++size) {
    if (size > bytes_of(expected)) ++expected;
    ASSERT_EQ(class_of(size).count(), expected) << size;
    ASSERT_EQ(class_index_computed(size), expected) << size;
  }
  EXPECT_EQ(expected, kClasses - 1);
  EXPECT_EQ(class_index_computed(kLargeMax + 1), kClasses);  // the first size without a class
}

TEST(SizeClass, SpacingIsSixteenBytesThenEightClassesADoubling) {
  EXPECT_EQ(bytes_of(0), 16U);
  for (uint32_t i = 1; i < kClasses; ++i) {
    const size_t below = bytes_of(i - 1);
    const size_t power = std::bit_floor(below);
    const size_t step = below < 128 ? 16 : power / 8;
    EXPECT_EQ(bytes_of(i) - below, step) << i;
  }
  EXPECT_EQ(bytes_of(kTinyClasses - 1), kTinyMax);
  EXPECT_EQ(bytes_of(kFirstLargeClass - 1), kMidMax);
  EXPECT_EQ(bytes_of(kClasses - 1), kLargeMax);
}

TEST(SizeClass, BlocksAreAlignedAndPowersOfTwoAreClasses) {
  for (uint32_t i = 0; i < kClasses; ++i) EXPECT_EQ(bytes_of(i) % kMinAlignment, 0U) << i;
  for (size_t power = 16; power <= kLargeMax; power *= 2) {
    EXPECT_EQ(block_bytes(class_of(power)).count(), power);
  }
}

TEST(SizeClass, RoundingUpWastesLittle) {
  for (size_t size = 1; size <= kLargeMax; ++size) {
    const size_t block = block_bytes(class_of(size)).count();
    const size_t waste = block - size;
    if (size <= 128) {
      ASSERT_LT(waste, 16U) << size;
    } else {
      ASSERT_LT(waste * 9, block) << size;  // 8 a doubling: under a ninth of the block
    }
  }
}

TEST(SizeClass, SlabsAreAsSmallAsTheirRangeAllows) {
  for (uint32_t i = 0; i < kClasses; ++i) {
    const SizeClass& info = class_info(ClassIndex(i));
    const size_t slab = info.slots * kSlotBytes.count();
    EXPECT_LE(size_t{info.blocks} * info.block_bytes, slab) << i;
    EXPECT_LE(info.slots, kSlotsPerSuperSlab) << i;
    if (is_large(ClassIndex(i))) {
      EXPECT_EQ(info.blocks, 1) << i;
      EXPECT_GT(info.block_bytes, slab - kSlotBytes.count()) << i;
      continue;
    }
    EXPECT_GT(size_t{info.blocks + 1u} * info.block_bytes, slab) << i;  // not one block more fits
    EXPECT_GE(info.blocks, kMidBlocksMin) << i;
    if (info.block_bytes <= kTinyMax) {
      EXPECT_EQ(info.slots, 1) << i;
    }
    if (info.slots > 1) {
      EXPECT_LT((slab - kSlotBytes.count()) / info.block_bytes, kMidBlocksMin) << i;
    }
  }
}

TEST(SizeClass, BlockIndexIsExactForEveryOffsetOfEveryClass) {
  for (uint32_t i = 0; i < kClasses; ++i) {
    const SizeClass& info = class_info(ClassIndex(i));
    const size_t end = info.slots * kSlotBytes.count();
    if (info.blocks == 1) {
      // Only "does a block start here?" is asked of a large slab.
      for (size_t offset = 0; offset < end; ++offset) {
        const bool starts = size_t{block_index(info, offset)} * info.block_bytes == offset;
        if (starts != (offset % info.block_bytes == 0)) FAIL() << "class " << i << " at " << offset;
      }
      continue;
    }
    size_t block_end = info.block_bytes;
    uint32_t expected = 0;
    for (size_t offset = 0; offset < end; ++offset) {
      if (offset == block_end) {
        ++expected;
        block_end += info.block_bytes;
      }
      if (block_index(info, offset) != expected) {
        FAIL() << "class " << i << " offset " << offset << " is block " << expected;
      }
    }
  }
}

TEST(Geometry, TagsRoundTripAndConstantsNeverMeetASlot) {
  for (const uint32_t owner : {1u, 2u, 255u, 256u, 65536u, kOwnerMax}) {
    for (uint32_t c = 0; c < kClasses; ++c) {
      const uint32_t tag = make_tag(OwnerId(owner), ClassIndex(c));
      ASSERT_EQ(tag_owner(tag), OwnerId(owner));
      ASSERT_EQ(tag_class(tag), ClassIndex(c));
      ASSERT_EQ(tag ^ make_tag(OwnerId(owner), ClassIndex(0)), c);
      ASSERT_GE(tag ^ make_tag(kConstantOwner, ClassIndex(0)), kClasses);
      ASSERT_GE(kUnusedTag ^ make_tag(OwnerId(owner), ClassIndex(0)), kClasses);
      ASSERT_GE(kInteriorTag ^ make_tag(OwnerId(owner), ClassIndex(0)), kClasses);
    }
  }
}

}  // namespace
}  // namespace hakmem
