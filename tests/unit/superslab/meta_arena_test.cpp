#include "superslab/meta_arena.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <memory>
#include <vector>

#include "unit/support.h"

namespace hakmem {
namespace {

size_t cell_of(size_t size) {
  return size <= MetaArena::kCellMin ? MetaArena::kCellMin : std::bit_ceil(size);
}

// Every cell ever seen, those in use, and what is written in them.
class ArenaModel {
 public:
  // The checks, as the first thing that is wrong.
  const char* allocate(size_t size) {
    char* cell = static_cast<char*>(arena_.allocate(Bytes(size)));
    const size_t bytes = cell_of(size);
    const uintptr_t at = test::address_of(cell);
    if (cell == nullptr) return "refused";
    if (at % (bytes < 4096 ? bytes : 4096) != 0) return "misaligned";
    if (const auto known = cells_.find(at); known != cells_.end()) {
      if (known->second != bytes) return "a cell changed its size";
      if (live_.contains(at)) return "handed out twice";
    } else {
      if (!is_apart(at, bytes)) return "overlaps another cell";
      if (!test::all_zero(cell, bytes)) return "fresh and not zero";
      cells_.emplace(at, bytes);
    }
    std::memset(cell, fill_, bytes);
    live_.emplace(at, Cell{size, fill_++});
    in_use_ += bytes;
    return check_stats();
  }

  const char* release(size_t index) {
    if (live_.empty()) return nullptr;
    const auto chosen = std::next(live_.begin(), static_cast<ptrdiff_t>(index % live_.size()));
    const auto [at, cell] = *chosen;
    const char* bytes = reinterpret_cast<const char*>(at);
    for (size_t i = 0; i < cell_of(cell.size); ++i) {
      if (bytes[i] != cell.fill) return "contents changed";
    }
    live_.erase(chosen);
    arena_.release(reinterpret_cast<void*>(at), Bytes(cell.size));
    in_use_ -= cell_of(cell.size);
    return check_stats();
  }

 private:
  struct Cell {
    size_t size;
    char fill;
  };

  bool is_apart(uintptr_t at, size_t bytes) const {
    const auto behind = cells_.lower_bound(at);
    if (behind != cells_.end() && behind->first < at + bytes) return false;
    if (behind == cells_.begin()) return true;
    const auto before = std::prev(behind);
    return before->first + before->second <= at;
  }

  const char* check_stats() {
    const MetaStats stats = arena_.stats();
    if (stats.in_use != Bytes(in_use_)) return "in_use is wrong";
    return stats.committed < stats.in_use ? "more in use than committed" : nullptr;
  }

  MetaArena arena_;
  std::map<uintptr_t, size_t> cells_;
  std::map<uintptr_t, Cell> live_;
  size_t in_use_ = 0;
  char fill_ = 1;
};

TEST(MetaArena, CellsAreApartAlignedAndTypeStable) {
  EXPECT_TRUE(rc::check("allocations and releases", [] {
    const auto ops = *rc::gen::container<std::vector<std::pair<bool, uint32_t>>>(
        rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::inRange<uint32_t>(0, 1u << 20)));
    ArenaModel model;
    for (const auto& [allocates, number] : ops) {
      const size_t size = 1 + (number >> 4) % (size_t{64} << number % 11);
      const char* wrong = allocates ? model.allocate(size) : model.release(number);
      if (wrong != nullptr) RC_FAIL(wrong);
    }
  }));
}

TEST(MetaArena, ALongRandomLife) {
  ArenaModel model;
  test::Random random(3);
  for (uint32_t step = 0; step < 4000; ++step) {
    const size_t size = 1 + random.below(size_t{64} << random.below(11));
    const char* wrong = random.below(5) < 3 ? model.allocate(size) : model.release(random.next());
    ASSERT_STREQ(wrong, nullptr) << step;
  }
}

TEST(MetaArena, GoesBeyondItsFirstRange) {
  MetaArena arena;
  std::map<uintptr_t, bool> seen;
  for (uint32_t i = 0; i < 1200; ++i) {
    void* cell = arena.allocate(Bytes(MetaArena::kCellMax));
    ASSERT_NE(cell, nullptr);
    *static_cast<char*>(cell) = 1;
    ASSERT_TRUE(seen.emplace(test::address_of(cell), true).second);
  }
  EXPECT_EQ(arena.stats().in_use, Bytes(1200 * MetaArena::kCellMax));
  EXPECT_GT(arena.stats().in_use, mib(64));
}

TEST(MetaArena, ReleasedCellsAreReusedBeforeMoreIsCommitted) {
  MetaArena arena;
  std::vector<void*> cells;
  for (uint32_t i = 0; i < 500; ++i) cells.push_back(arena.allocate(Bytes(1024)));
  const Bytes committed = arena.stats().committed;
  for (uint32_t round = 0; round < 20; ++round) {
    for (void* cell : cells) arena.release(cell, Bytes(1024));
    EXPECT_EQ(arena.stats().in_use, Bytes(0));
    for (void*& cell : cells) cell = arena.allocate(Bytes(513));  // the same size of cell
  }
  EXPECT_EQ(arena.stats().committed, committed);
}

TEST(MetaArenaDeathTest, NoCellIsLargerThanTheLargest) {
  MetaArena arena;
  EXPECT_DEATH(arena.allocate(Bytes(MetaArena::kCellMax + 1)), "internal check failed");
}

}  // namespace
}  // namespace hakmem
