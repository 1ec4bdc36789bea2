#include "superslab/slab.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <memory>
#include <vector>

#include "unit/support.h"

namespace hakmem {
namespace {

constexpr uintptr_t kBase = uintptr_t{1} << 40;

// A slab of its class with every block free, beside a plain vector that says the same.
class ModelSlab {
 public:
  ModelSlab(uint32_t size_class, uint32_t start_word)
      : info_(class_info(ClassIndex(size_class))), free_(info_.blocks, true) {
    slab_.base = kBase;
    slab_.blocks = info_.blocks;
    slab_.free_count = info_.blocks;
    slab_.size_class = static_cast<uint8_t>(size_class);
    slab_.slots = static_cast<uint8_t>(info_.slots);
    words_.assign(slab_.words(), 0);
    slab_.bitmap = words_.data();
    slab_.start_word = static_cast<uint16_t>(start_word % slab_.words());
    for (uint32_t i = 0; i < info_.blocks; ++i) words_[i / 64] |= uint64_t{1} << i % 64;
  }

  // The blocks the slab must give out next, the first one first.
  std::vector<uintptr_t> expected(uint32_t want) const {
    std::vector<uintptr_t> blocks;
    const uint32_t words = slab_.words();
    for (uint32_t step = 0; step < words; ++step) {
      const uint32_t word = (slab_.start_word + step) % words;
      for (uint32_t i = word * 64; i < word * 64 + 64 && i < info_.blocks; ++i) {
        if (free_[i] && blocks.size() < want)
          blocks.push_back(kBase + size_t{i} * info_.block_bytes);
      }
    }
    return blocks;
  }

  // True when the slab does what the model says.
  bool take(uint32_t want) {
    const std::vector<uintptr_t> blocks = expected(want);
    std::vector<void*> stack(want + 2, this);
    const uint32_t taken = take_blocks(slab_, stack.data() + 1 + want, want);
    bool same = taken == blocks.size() && stack.front() == this && stack.back() == this;
    for (uint32_t i = 0; same && i < taken; ++i) {
      same = test::address_of(stack[want - i]) == blocks[i];
      free_[(blocks[i] - kBase) / info_.block_bytes] = false;
    }
    for (uint32_t i = taken; same && i < want; ++i) same = stack[want - i] == this;
    return same && agrees();
  }

  bool put(uint32_t index) {
    index %= info_.blocks;
    const bool was_free = free_[index];
    if (block_is_free(slab_, index) != was_free) return false;
    if (BlockPutter(&slab_).put(index) == was_free) return false;
    free_[index] = true;
    return agrees();
  }

  bool agrees() const {
    uint32_t count = 0;
    for (uint32_t i = 0; i < info_.blocks; ++i) {
      if (block_is_free(slab_, i) != free_[i]) return false;
      count += free_[i] ? 1 : 0;
    }
    return slab_.free_count == count && count_free_bits(slab_) == count &&
           slab_.all_free() == (count == info_.blocks);
  }

  Slab& slab() { return slab_; }

 private:
  const SizeClass& info_;
  Slab slab_{};
  std::vector<uint64_t> words_;
  std::vector<bool> free_;
};

struct Op {
  bool take;
  uint32_t number;
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << (op.take ? "take " : "put ") << op.number;
}

rc::Gen<Op> any_op() {
  return rc::gen::construct<Op>(rc::gen::arbitrary<bool>(), rc::gen::inRange<uint32_t>(0, 5000));
}

TEST(Slab, BitmapDoesWhatAVectorOfBoolsDoes) {
  EXPECT_TRUE(rc::check("takes and puts", [] {
    const auto size_class = *rc::gen::inRange<uint32_t>(0, kClasses);
    const auto start = *rc::gen::inRange<uint32_t>(0, 64);
    const auto ops = *rc::gen::container<std::vector<Op>>(any_op());
    ModelSlab model(size_class, start);
    for (const Op& op : ops) {
      // Short takes are the interesting ones: they end inside a word.
      RC_ASSERT((op.take ? model.take(op.number % 100) : model.put(op.number)));
    }
  }));
}

TEST(Slab, EveryClassCanBeEmptiedAndFilledAgain) {
  for (uint32_t c = 0; c < kClasses; ++c) {
    ModelSlab model(c, c);
    const uint32_t blocks = model.slab().blocks;
    ASSERT_TRUE(model.take(blocks / 2)) << c;
    ASSERT_TRUE(model.take(blocks)) << c;
    ASSERT_EQ(model.slab().free_count, 0U) << c;
    ASSERT_TRUE(model.take(1)) << c;  // nothing left: nothing is written
    for (uint32_t i = 0; i < blocks; ++i) ASSERT_TRUE(put_block(model.slab(), i)) << c;
    ASSERT_TRUE(model.slab().all_free()) << c;
    ASSERT_FALSE(put_block(model.slab(), blocks - 1)) << c;
    ASSERT_EQ(model.slab().free_count, blocks) << c;
  }
}

TEST(Slab, ABlockStartsOnlyWhereItStarts) {
  for (uint32_t c = 0; c < kClasses; ++c) {
    ModelSlab model(c, 0);
    const Slab& slab = model.slab();
    const SizeClass& info = class_info(ClassIndex(c));
    const size_t end = info.slots * kSlotBytes.count();
    // Large slabs are long and alike: their page starts and a few odd offsets will do.
    const size_t step = is_large(ClassIndex(c)) ? 16 : 1;
    for (size_t offset = 0; offset < end; offset += step) {
      const size_t index = offset / info.block_bytes;
      const bool starts = offset % info.block_bytes == 0 && index < info.blocks;
      const uint32_t found = block_starting_at(slab, kBase + offset);
      if (found != (starts ? static_cast<uint32_t>(index) : kNoBlock)) {
        FAIL() << "class " << c << " offset " << offset;
      }
      if (starts) {
        ASSERT_EQ(slab.block_address(found), kBase + offset);
      }
    }
  }
}

TEST(Slab, BitmapLivesInTheRecordForUpTo64Blocks) {
  for (uint32_t c = 0; c < kClasses; ++c) {
    const uint32_t blocks = class_info(ClassIndex(c)).blocks;
    const size_t bytes = bitmap_bytes(ClassIndex(c)).count();
    if (blocks <= 64) {
      EXPECT_EQ(bytes, 0U) << c;
    } else {
      EXPECT_EQ(bytes % 8, 0U) << c;
      EXPECT_GE(bytes * 8, blocks) << c;
      EXPECT_LT((bytes - 8) * 8, blocks) << c;
    }
  }
}

TEST(Slab, TheHeadIsFoundFromEachOfItsSlots) {
  const auto records = std::make_unique<Slab[]>(kSlotsPerSuperSlab);
  for (uint32_t i = 3; i < 10; ++i) records[i].head_distance = static_cast<uint8_t>(i - 3);
  for (uint32_t i = 3; i < 10; ++i) EXPECT_EQ(records[i].head(), &records[3]);
}

}  // namespace
}  // namespace hakmem
