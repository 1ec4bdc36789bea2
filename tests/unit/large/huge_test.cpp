#include "large/huge.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <iterator>
#include <map>
#include <vector>

#include "os/process.h"
#include "superslab/registry.h"

#include "unit/support.h"

namespace hakmem {
namespace {

constexpr size_t kPage = 4096;
constexpr Bytes kPlain{1};  // no alignment asked for

// Each test has blocks of its own; what a test leaves is unmapped at its end.
class Blocks {
 public:
  ~Blocks() { blocks_.purge(Milliseconds(0), true); }
  HugeBlocks* operator->() { return &blocks_; }
  HugeBlocks& operator*() { return blocks_; }

  char* get(size_t size, bool* zero, Bytes alignment = kPlain) {
    return static_cast<char*>(blocks_.allocate(Bytes(size), alignment, HugeBlocks::FromSlots::kAllowed, zero));
  }

 private:
  HugeBlocks blocks_;
};

// Retained blocks are a sixteenth of the heap, or a block or two of a small one.
Bytes retain_limit(size_t live) {
  const size_t share = (registry().committed().count() + live) / 16;
  return share < mib(5).count() ? mib(5) : Bytes(share);
}

// Live blocks and the seed of what is written in them: one word a page.
class HugeModel {
 public:
  ~HugeModel() {
    while (!live_.empty()) release(0);
  }

  const char* allocate(size_t size, Bytes alignment) {
    bool zero = false;
    char* block = blocks_.get(size, &zero, alignment);
    if (block == nullptr) return "refused";
    const uintptr_t at = test::address_of(block);
    const size_t usable = blocks_->size_of(block).count();
    if (usable < size || usable % kPage != 0) return "size_of";
    if (usable > round_up(size, kPage) + size / 4 + kPage) return "far too large";
    if (at % alignment.count() != 0 || at % kPage != 0) return "misaligned";
    if (usable >= kSuperSlabBytes.count() && at % kSuperSlabBytes.count() != 0)
      return "not 2 MiB-aligned";
    if (!is_apart(at, usable)) return "overlaps a live block";
    if (zero && !test::all_zero(block, usable)) return "called zero and is not";
    live_[at] = Content{usable, ++seed_};
    write(at, 0, live_[at]);
    return check();
  }

  const char* release(size_t index) {
    if (live_.empty()) return nullptr;
    const auto [at, content] = *chosen(index);
    if (!intact(at, content, content.size)) return "contents changed";
    live_.erase(at);
    if (!blocks_->release(reinterpret_cast<void*>(at))) return "not released";
    if (blocks_->release(reinterpret_cast<void*>(at))) return "released twice";
    if (blocks_->size_of(reinterpret_cast<void*>(at)).count() != 0) return "still found";
    return check();
  }

  const char* resize(size_t index, size_t size) {
    if (live_.empty()) return nullptr;
    const auto [at, content] = *chosen(index);
    void* moved = blocks_->resize(reinterpret_cast<void*>(at), Bytes(size));
    if (moved == nullptr) return "not resized";
    const uintptr_t to = test::address_of(moved);
    live_.erase(at);
    const size_t usable = blocks_->size_of(moved).count();
    if (usable != round_up(size, kPage)) return "resized to another size";
    if (!is_apart(to, usable)) return "moved onto a live block";
    const size_t kept = content.size < usable ? content.size : usable;
    if (!intact(to, content, kept)) return "contents lost on the way";
    live_[to] = Content{usable, content.seed};
    write(to, kept, live_[to]);
    return check();
  }

  const char* purge(bool everything) {
    const Bytes retained = blocks_->stats().retained;
    const Bytes gone = blocks_->purge(os::now_coarse(), everything);
    if (everything && gone != retained) return "purge kept something";
    if (blocks_->stats().retained != retained - gone) return "retained does not add up";
    return check();
  }

 private:
  struct Content {
    size_t size;
    uint64_t seed;
  };

  static void write(uintptr_t at, size_t from, const Content& content) {
    for (size_t i = from; i < content.size; i += kPage) {
      *reinterpret_cast<uint64_t*>(at + i) = content.seed + i;
    }
  }
  static bool intact(uintptr_t at, const Content& content, size_t size) {
    for (size_t i = 0; i < size; i += kPage) {
      if (*reinterpret_cast<const uint64_t*>(at + i) != content.seed + i) return false;
    }
    return true;
  }

  std::map<uintptr_t, Content>::iterator chosen(size_t index) {
    return std::next(live_.begin(), static_cast<ptrdiff_t>(index % live_.size()));
  }

  bool is_apart(uintptr_t at, size_t size) const {
    const auto behind = live_.lower_bound(at);
    if (behind != live_.end() && behind->first < at + size) return false;
    return behind == live_.begin() ||
           std::prev(behind)->first + std::prev(behind)->second.size <= at;
  }

  const char* check() {
    size_t bytes = 0;
    for (const auto& [at, content] : live_) {
      if (blocks_->size_of(reinterpret_cast<void*>(at)).count() != content.size)
        return "lost a block";
      bytes += content.size;
    }
    const HugeStats stats = blocks_->stats();
    if (stats.blocks != live_.size() || stats.live != Bytes(bytes)) return "live does not add up";
    if (bytes > live_max_) live_max_ = bytes;
    return stats.retained > retain_limit(live_max_) ? "retains too much" : nullptr;
  }

  Blocks blocks_;
  std::map<uintptr_t, Content> live_;
  size_t live_max_ = 0;
  uint64_t seed_ = 0;
};

const char* apply(HugeModel& model, uint32_t kind, uint32_t number) {
  const size_t size = (size_t{2} << 20) + 1 + size_t{number} * 12;
  switch (kind % 8) {
    case 0:
    case 1:
      return model.allocate(size, kPlain);
    case 2:
      return model.allocate(size, Bytes(kPage << number % 11));
    case 3:
    case 4:
      return model.release(number);
    case 5:
    case 6:
      return model.resize(number, size);
    default:
      return model.purge(number % 2 == 0);
  }
}

TEST(Huge, RandomLivesAgreeWithAMap) {
  EXPECT_TRUE(rc::check("allocate, release, resize, purge", [] {
    const auto ops = *rc::gen::container<std::vector<std::pair<uint32_t, uint32_t>>>(
        rc::gen::pair(rc::gen::inRange<uint32_t>(0, 8), rc::gen::inRange<uint32_t>(0, 200'000)));
    HugeModel model;
    for (const auto& [kind, number] : ops) {
      if (const char* wrong = apply(model, kind, number); wrong != nullptr) RC_FAIL(wrong);
    }
  }));
}

TEST(Huge, FreshBlocksAreZeroAndRetainedOnesAreNotCalledSo) {
  Blocks blocks;
  bool zero = false;
  char* block = blocks.get(3 << 20, &zero);
  EXPECT_TRUE(zero);
  block[12345] = 1;
  ASSERT_TRUE(blocks->release(block));
  EXPECT_EQ(blocks->stats().retained, mib(3));
  EXPECT_EQ(blocks.get(3 << 20, &zero), block);
  EXPECT_FALSE(zero);
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EQ(blocks->stats().maps, 1U);
  blocks->release(block);
}

TEST(Huge, TheTightestRetainedBlockThatIsNotMuchTooLargeIsReused) {
  Blocks blocks;
  bool zero;
  char* ballast = blocks.get(512 << 20, &zero);  // makes the retained share large
  std::map<size_t, char*> by_size;
  for (const size_t mib_count : {4u, 5u, 6u, 8u}) {
    by_size[mib_count] = blocks.get(mib_count << 20, &zero);
  }
  for (const auto& [size, block] : by_size) blocks->release(block);
  EXPECT_EQ(blocks.get((4 << 20) + 1, &zero), by_size[5]);
  EXPECT_EQ(blocks.get(4 << 20, &zero), by_size[4]);
  EXPECT_EQ(blocks.get(7 << 20, &zero), by_size[8]);
  EXPECT_EQ(blocks->size_of(by_size[8]), mib(8));
  char* fresh = blocks.get(4 << 20, &zero);  // 6 is more than a quarter above 4
  EXPECT_TRUE(zero);
  EXPECT_EQ(blocks->stats().retained, Bytes(0)) << "what did not fit makes way";
  for (const size_t size : {4u, 5u, 8u}) blocks->release(by_size[size]);
  blocks->release(fresh);
  blocks->release(ballast);
}

TEST(Huge, ARetainedBlockMustFitTheAlignmentToo) {
  Blocks blocks;
  bool zero;
  const Bytes alignment = mib(64);
  char* block = blocks.get(3 << 20, &zero);
  while (test::address_of(block) % alignment.count() == 0) block = blocks.get(3 << 20, &zero);
  blocks->release(block);
  char* aligned = blocks.get(3 << 20, &zero, alignment);
  EXPECT_NE(aligned, block);
  EXPECT_EQ(test::address_of(aligned) % alignment.count(), 0U);
  blocks->release(aligned);
}

TEST(Huge, RetentionEndsWithTheDecayTimeAndNotBefore) {
  Blocks blocks;
  bool zero;
  blocks->release(blocks.get(3 << 20, &zero));
  const Milliseconds now = os::now_coarse();
  const Milliseconds decay_time(config().decay_ms);
  EXPECT_EQ(blocks->purge(now, false), Bytes(0));
  EXPECT_EQ(blocks->purge(now - Milliseconds(1) - decay_time, false), Bytes(0));
  EXPECT_EQ(blocks->purge(now + decay_time, false), mib(3));
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EQ(blocks->stats().unmaps, 1U);
}

TEST(Huge, NothingIsRetainedWithoutADecayTime) {
  Blocks blocks;
  bool zero;
  const test::ScopedConfig none([](Config& c) { c.decay_ms = 0; });
  blocks->release(blocks.get(3 << 20, &zero));
  EXPECT_EQ(blocks->stats().retained, Bytes(0));
  EXPECT_EQ(blocks->stats().unmaps, 1U);
}

TEST(Huge, WhatIsRetainedIsAShareOfTheHeap) {
  Blocks blocks;
  bool zero;
  for (const size_t ballast_mib : {1u, 256u}) {
    char* ballast = blocks.get(ballast_mib << 20, &zero);
    std::vector<char*> many;
    for (uint32_t i = 0; i < 20; ++i) many.push_back(blocks.get(3 << 20, &zero));
    size_t most = 0;
    for (char* block : many) {
      const size_t live = blocks->stats().live.count();
      blocks->release(block);
      const size_t retained = blocks->stats().retained.count();
      if (retained <= most) continue;
      EXPECT_LE(Bytes(retained), retain_limit(live));
      most = retained;
    }
    EXPECT_GE(Bytes(most + mib(3).count()), retain_limit(ballast_mib << 20)) << "it is made use of";
    blocks->release(ballast);
    blocks->purge(Milliseconds(0), true);
  }
}

TEST(Huge, ThousandsAreFoundAndForgotten) {
  Blocks blocks;
  bool zero;
  std::vector<char*> all;
  for (uint32_t round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < 5000; ++i) {
      all.push_back(blocks.get(kPage, &zero));
      ASSERT_NE(all.back(), nullptr);
      *all.back() = static_cast<char>(i);
    }
    EXPECT_EQ(blocks->stats().blocks, 5000U);
    for (uint32_t i = 0; i < 5000; ++i) {
      ASSERT_EQ(blocks->size_of(all[i]), Bytes(kPage)) << i;
      ASSERT_EQ(*all[i], static_cast<char>(i));
      ASSERT_TRUE(blocks->release(all[i])) << i;
    }
    EXPECT_EQ(blocks->stats().blocks, 0U);
    EXPECT_EQ(blocks->stats().live, Bytes(0));
    all.clear();
  }
}

TEST(Huge, WhatIsNotOursIsNotReleased) {
  Blocks blocks;
  int local = 0;
  EXPECT_FALSE(blocks->release(&local));
  EXPECT_EQ(blocks->size_of(&local), Bytes(0));
  EXPECT_EQ(blocks->resize(&local, mib(3)), nullptr);
  bool zero;
  char* block = blocks.get(3 << 20, &zero);
  EXPECT_FALSE(blocks->release(block + kPage));
  EXPECT_FALSE(blocks->release(block + 16));
  EXPECT_TRUE(blocks->release(block));
}

TEST(Huge, ImpossibleSizesAreRefusedAndChangeNothing) {
  Blocks blocks;
  bool zero;
  char* block = blocks.get(3 << 20, &zero);
  block[0] = 42;
  for (const size_t size : {size_t{SIZE_MAX}, size_t{PTRDIFF_MAX}, size_t{1} << 60}) {
    EXPECT_EQ(blocks.get(size, &zero), nullptr) << size;
    EXPECT_EQ(blocks->resize(block, Bytes(size)), nullptr) << size;
  }
  EXPECT_EQ(blocks.get(3 << 20, &zero, Bytes(size_t{1} << 62)), nullptr);
  EXPECT_EQ(blocks->size_of(block), mib(3));
  EXPECT_EQ(block[0], 42);
  EXPECT_EQ(blocks->stats().blocks, 1U);
  blocks->release(block);
}

}  // namespace
}  // namespace hakmem
