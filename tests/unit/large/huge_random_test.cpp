#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <vector>

#include "os/process.h"

#include "unit/large/huge_support.h"
#include "unit/support.h"

namespace hakmem {
namespace {

constexpr size_t kPage = 4096;
constexpr Bytes kPlain{1};  // no alignment asked for
using Contents = HugeBlocks::Contents;
using Blocks = test::OwnHugeBlocks;

// Whole pages, and a crumb that would not be worth a range of its own, or the rest of a huge page.
size_t most_for(size_t size) { return round_up(size, kPage) + size / 4 + (size_t{64} << 10); }

// Live blocks and the seed of what is written in them: one word a page.
class HugeModel {
 public:
  ~HugeModel() {
    while (!live_.empty()) release(0);
  }

  const char* allocate(size_t size, Contents contents, Bytes alignment) {
    char* block = blocks_.get(size, contents, alignment);
    if (block == nullptr) return "refused";
    const uintptr_t at = test::address_of(block);
    const size_t usable = blocks_->size_of(block).count();
    if (usable < size || usable > most_for(size)) return "size_of";
    if (at % alignment.count() != 0 || at % kPage != 0) return "misaligned";
    if (!is_apart(at, usable)) return "overlaps a live block";
    if (contents == Contents::kZero && !test::all_zero(block, size)) return "not zero";
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
    ++resizes_;
    if (moved == nullptr) {
      // Of several mappings that came to lie side by side.
      ++refusals_;
      return intact(at, content, content.size) ? check() : "refused and changed";
    }
    const uintptr_t to = test::address_of(moved);
    live_.erase(at);
    const size_t usable = blocks_->size_of(moved).count();
    if (usable < size || usable > most_for(size)) return "resized to another size";
    if (!is_apart(to, usable)) return "moved onto a live block";
    const size_t kept = content.size < usable ? content.size : usable;
    if (!intact(to, content, kept)) return "contents lost on the way";
    live_[to] = Content{usable, content.seed};
    write(to, kept, live_[to]);
    return check();
  }

  static uint64_t resizes() { return resizes_; }
  static uint64_t refusals() { return refusals_; }

  const char* purge(bool everything) {
    const Bytes retained = blocks_->stats().retained;
    const Bytes gone = everything ? blocks_->purge_all() : blocks_->decay(os::now_coarse(), UINT64_MAX);
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
    // Half as much again as what was live at once, or a block or two beside what is.
    const size_t most = std::max(live_max_ + live_max_ / 2, bytes + mib(5).count());
    return bytes + stats.retained.count() > most ? "retains too much" : nullptr;
  }

  static inline uint64_t resizes_ = 0;
  static inline uint64_t refusals_ = 0;

  Blocks blocks_;
  std::map<uintptr_t, Content> live_;
  size_t live_max_ = 0;
  uint64_t seed_ = 0;
};

const char* apply(HugeModel& model, uint32_t kind, uint32_t number) {
  const size_t size = (size_t{2} << 20) + 1 + size_t{number} * 12;
  switch (kind % 8) {
    case 0:
      return model.allocate(size, Contents::kAny, kPlain);
    case 1:
      return model.allocate(size, Contents::kZero, kPlain);
    case 2:
      return model.allocate(size, Contents::kAny, Bytes(kPage << number % 11));
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
  EXPECT_LE(HugeModel::refusals() * 10, HugeModel::resizes());
}

}  // namespace
}  // namespace hakmem
