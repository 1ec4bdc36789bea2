// unit/heap/heap_model.h: a map of live blocks beside the real heap.
#pragma once

#include <cerrno>
#include <iterator>
#include <map>

#include "superslab/registry.h"
#include "observe/invariants.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem::test {

// Sizes of every range, the boundaries of the classes among them.
inline size_t any_size(uint32_t kind, uint32_t number) {
  switch (kind % 10) {
    case 0:
      return number % 17;
    case 1:
    case 2:
    case 3:
      return number % 1025;
    case 4:
    case 5:
      return number % (size_t{32} << 10);
    case 6: {
      const ClassIndex c(number % kClasses);
      return block_bytes(c).count() + number / kClasses % 3 - 1;
    }
    case 7:
      return number % (size_t{2} << 20);
    case 8:
      return (size_t{1} << number % 22) + number / 22 % 2;
    default:
      return (size_t{2} << 20) + number % (size_t{4} << 20);
  }
}

// Each operation answers with the first thing that is wrong, or nullptr.
class HeapModel {
 public:
  HeapModel() {
    HeapWalk walk;
    if (check_heap(Threads::kStopped, &walk) == nullptr) live_before_ = walk.live_blocks();
  }
  ~HeapModel() {
    while (!live_.empty()) free(0);
  }

  const char* malloc(size_t size) { return add(hak_malloc(size), size, 1); }

  const char* calloc(size_t count, size_t size) {
    void* block = hak_calloc(count, size);
    if (block != nullptr && !all_zero(block, count * size)) return "calloc is not zero";
    return add(block, count * size, 1);
  }

  const char* aligned_alloc(size_t alignment, size_t size) {
    return add(hak_aligned_alloc(alignment, size), size, alignment);
  }

  const char* realloc(size_t index, size_t size) {
    if (live_.empty()) return add(hak_realloc(nullptr, size), size, 1);
    const auto [at, block] = take(index);
    if (!intact(at, block, block.size)) return "contents changed";
    void* moved = hak_realloc(reinterpret_cast<void*>(at), size);
    if (size == 0) return moved == nullptr && errno == kErrno ? nullptr : "realloc to 0";
    if (moved == nullptr) return "realloc refused";
    const size_t kept = block.size < size ? block.size : size;
    if (!intact(address_of(moved), block, kept)) return "realloc lost contents";
    return add(moved, size, 1);
  }

  const char* free(size_t index, bool sized = false) {
    if (live_.empty()) return nullptr;
    const auto [at, block] = take(index);
    if (!intact(at, block, block.size)) return "contents changed";
    sized ? hak_free_sized(reinterpret_cast<void*>(at), block.size)
          : hak_free(reinterpret_cast<void*>(at));
    return errno == kErrno ? nullptr : "free touched errno";
  }

  // The walker's view and ours; only while no other thread runs.
  const char* check() const {
    HeapWalk walk;
    if (const char* violation = check_heap(Threads::kStopped, &walk); violation != nullptr) {
      return violation;
    }
    uint64_t ours = 0;
    for (const auto& [at, block] : live_) ours += registry().find(at) != nullptr ? 1 : 0;
    return walk.live_blocks() - live_before_ == ours ? nullptr
                                                     : "the walker counts other live blocks";
  }

  size_t blocks() const { return live_.size(); }

 private:
  struct Block {
    size_t size;
    size_t usable;
    unsigned char seed;
  };
  static constexpr int kErrno = 4711;

  const char* add(void* pointer, size_t size, size_t alignment) {
    if (pointer == nullptr) return "refused";
    if (errno != kErrno) return "success touched errno";
    const uintptr_t at = address_of(pointer);
    const size_t usable = hak_usable_size(pointer);
    if (usable < size) return "usable size is too small";
    if (at % (alignment < kMinAlignment ? kMinAlignment : alignment) != 0) return "misaligned";
    const auto behind = live_.lower_bound(at);
    if (behind != live_.end() && behind->first < at + usable) return "overlaps the block behind";
    if (behind != live_.begin() &&
        std::prev(behind)->first + std::prev(behind)->second.usable > at) {
      return "overlaps the block before";
    }
    const Block block{size, usable, ++seed_};
    live_.emplace(at, block);
    fill(at, block);
    return nullptr;
  }

  std::pair<uintptr_t, Block> take(size_t index) {
    const auto chosen = std::next(live_.begin(), static_cast<ptrdiff_t>(index % live_.size()));
    const std::pair<uintptr_t, Block> taken = *chosen;
    live_.erase(chosen);
    errno = kErrno;
    return taken;
  }

 public:
  // Before each operation, so that a success that sets errno is seen.
  static void arm() { errno = kErrno; }

 private:
  // Every byte of small blocks; of larger ones the first KiB, a byte in 509, and the last.
  template <class Visit>
  static void each_byte(size_t size, Visit visit) {
    for (size_t i = 0; i < size; i += i < 1024 ? 1 : 509) visit(i);
    if (size != 0) visit(size - 1);
  }
  static unsigned char byte_at(const Block& block, size_t i) {
    return static_cast<unsigned char>(block.seed + i * 31);
  }
  static void fill(uintptr_t at, const Block& block) {
    unsigned char* bytes = reinterpret_cast<unsigned char*>(at);
    each_byte(block.size, [&](size_t i) { bytes[i] = byte_at(block, i); });
  }
  static bool intact(uintptr_t at, const Block& block, size_t size) {
    const unsigned char* bytes = reinterpret_cast<const unsigned char*>(at);
    bool same = true;
    for (size_t i = 0; i < size; i += i < 1024 ? 1 : 509)
      same = same && bytes[i] == byte_at(block, i);
    if (size == block.size && size != 0) same = same && bytes[size - 1] == byte_at(block, size - 1);
    return same;
  }

  std::map<uintptr_t, Block> live_;
  uint64_t live_before_ = 0;
  unsigned char seed_ = 0;
};

}  // namespace hakmem::test
