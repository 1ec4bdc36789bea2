// Model: what must be live.
#include <gtest/gtest.h>

#include <cerrno>
#include <iterator>

#include "superslab/registry.h"
#include "observe/invariants.h"

#include "hakmem/hakmem.h"

#include "fakeos/fake_pages.h"
#include "fakeos/workload.h"

namespace hakmem::fakeos {

namespace {

// No call sets it, so a call that succeeds must leave it.
constexpr int kErrno = 4711;

// The first bytes, one in each 64 KiB, the last: contents that moved to a wrong place are noticed.
constexpr size_t kEnd = 64;
constexpr size_t kStride = size_t{64} << 10;

template <class Visit>
void each_byte(size_t size, Visit visit) {
  for (size_t i = 0; i < size && i < kEnd; ++i) visit(i);
  for (size_t i = kEnd; i < size; i += kStride) visit(i);
  if (size != 0) visit(size - 1);
}

unsigned char byte_at(unsigned char seed, size_t i) {
  return static_cast<unsigned char>(seed + i * 31 + (i >> 16) * 7);
}

// All of a small block, and a page of each stride of a larger one: the rest stays untouched.
bool is_zero(const void* block, size_t size) {
  constexpr size_t kWindow = 4096;
  const char* bytes = static_cast<const char*>(block);
  if (size <= kStride) return test::all_zero(bytes, size);
  bool zero = test::all_zero(bytes + size - kWindow, kWindow);
  for (size_t i = 0; zero && i < size - kWindow; i += kStride) {
    zero = test::all_zero(bytes + i, kWindow);
  }
  return zero;
}

}  // namespace

void Model::begin() {
  errno = kErrno;
  refusals_before_ = refusals();
}

void* Model::note(void* pointer, size_t size, size_t alignment) {
  if (pointer == nullptr) {
    ++refused_;
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_GT(refusals(), refusals_before_) << "nullptr for " << size << ", and nobody refused";
    return nullptr;
  }
  EXPECT_EQ(errno, kErrno) << "a success touched errno";
  const uintptr_t at = test::address_of(pointer);
  const Block block{size, hak_usable_size(pointer), ++seed_};
  EXPECT_GE(block.usable, size);
  EXPECT_EQ(at % (alignment < kMinAlignment ? kMinAlignment : alignment), 0U);
  const auto behind = live_.lower_bound(at);
  EXPECT_TRUE(behind == live_.end() || at + block.usable <= behind->first) << "overlaps";
  if (behind != live_.begin()) {
    const auto& [before, other] = *std::prev(behind);
    EXPECT_LE(before + other.usable, at) << "overlaps";
  }
  live_.emplace(at, block);
  fill(at, block);
  return pointer;
}

void* Model::malloc(size_t size) {
  begin();
  return note(hak_malloc(size), size, 1);
}

void* Model::calloc(size_t size) {
  begin();
  void* block = hak_calloc(1, size);
  EXPECT_TRUE(block == nullptr || is_zero(block, size)) << "calloc of " << size;
  return note(block, size, 1);
}

void* Model::aligned_alloc(size_t alignment, size_t size) {
  begin();
  return note(hak_aligned_alloc(alignment, size), size, alignment);
}

void Model::realloc(size_t choice, size_t size) {
  if (live_.empty() || size == 0) return;
  const auto place = chosen(choice);
  const auto [at, block] = *place;
  EXPECT_TRUE(intact(at, block, block.size)) << "contents changed";
  begin();
  void* moved = hak_realloc(reinterpret_cast<void*>(at), size);
  if (moved == nullptr) {
    note(nullptr, size, 1);
    EXPECT_TRUE(intact(at, block, block.size)) << "a refused realloc changed the block";
    EXPECT_EQ(hak_usable_size(reinterpret_cast<void*>(at)), block.usable);
    return;
  }
  live_.erase(place);
  const size_t kept = block.size < size ? block.size : size;
  EXPECT_TRUE(intact(test::address_of(moved), block, kept)) << "realloc lost contents";
  note(moved, size, 1);
}

void Model::free(size_t choice) {
  if (live_.empty()) return;
  const auto place = chosen(choice);
  const auto [at, block] = *place;
  EXPECT_TRUE(intact(at, block, block.size)) << "contents changed";
  live_.erase(place);
  begin();
  hak_free(reinterpret_cast<void*>(at));
  EXPECT_EQ(errno, kErrno) << "free touched errno";
}

void Model::free_all() {
  while (!live_.empty()) free(0);
}

void Model::any(test::Random& random) {
  const size_t size = any_size(random);
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2:
      malloc(size);
      break;
    case 3:
      calloc(size);
      break;
    case 4:
      aligned_alloc(size_t{1} << random.below(23), size);
      break;
    case 5:
    case 6:
      realloc(random.below(1 << 20), size);
      break;
    default:
      free(random.below(1 << 20));
  }
}

void Model::check() const {
  const Aside walker_maps_memory;
  for (const auto& [at, block] : live_) {
    EXPECT_TRUE(intact(at, block, block.size)) << "contents changed";
  }
  HeapWalk walk;
  EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
  uint64_t ours = 0;
  // A huge block is not the walker's, not even in SuperSlabs, where every slot is INTERIOR.
  for (const auto& [at, block] : live_) {
    const uint32_t tag = registry().tag_of(at);
    ours += tag != kUnusedTag && tag != kInteriorTag ? 1 : 0;
  }
  EXPECT_EQ(walk.live_blocks(), ours);
}

std::map<uintptr_t, Model::Block>::iterator Model::chosen(size_t choice) {
  return std::next(live_.begin(), static_cast<ptrdiff_t>(choice % live_.size()));
}

void Model::fill(uintptr_t at, const Block& block) {
  unsigned char* bytes = reinterpret_cast<unsigned char*>(at);
  each_byte(block.size, [&](size_t i) { bytes[i] = byte_at(block.seed, i); });
}

bool Model::intact(uintptr_t at, const Block& block, size_t size) {
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(at);
  bool same = true;
  each_byte(size, [&](size_t i) {
    // The last byte of a part is no mark of the whole, unless it lies where one is.
    const bool is_mark = i < kEnd || i % kStride == kEnd || i == block.size - 1;
    same = same && (!is_mark || bytes[i] == byte_at(block.seed, i));
  });
  return same;
}

}  // namespace hakmem::fakeos
