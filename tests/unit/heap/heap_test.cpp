#include "heap/heap.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "os/process.h"
#include "pool/shared_pool.h"
#include "large/huge.h"

#include "hakmem/hakmem.h"

#include "unit/heap/heap_model.h"

namespace hakmem {
namespace {

void expect_refused(void* block, const char* what) {
  EXPECT_EQ(block, nullptr) << what;
  EXPECT_EQ(errno, ENOMEM) << what;
  errno = 0;
}

TEST(Heap, MallocGivesTheWholeBlockAtEveryBoundary) {
  std::vector<size_t> sizes = {0, 1};
  for (uint32_t i = 0; i < kClasses; ++i) {
    const size_t size = class_info(ClassIndex(i)).block_bytes;
    sizes.insert(sizes.end(), {size - 1, size, size + 1});
  }
  for (const size_t size : sizes) {
    void* block = hak_malloc(size);
    ASSERT_NE(block, nullptr) << size;
    const size_t expected =
        size <= kLargeMax ? block_bytes(class_of(size)).count() : round_up(size, 4096);
    EXPECT_EQ(hak_usable_size(block), kHardened ? size : expected) << size;
    hak_free(block);
  }
  EXPECT_EQ(hak_usable_size(nullptr), 0U);
}

TEST(Heap, ZeroBytesAreABlockOfTheirOwn) {
  void* first = hak_malloc(0);
  void* second = hak_calloc(0, 8);
  void* third = hak_calloc(8, 0);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(second, nullptr);
  EXPECT_NE(third, nullptr);
  EXPECT_NE(first, second);
  EXPECT_NE(second, third);
  for (void* block : {first, second, third}) hak_free(block);
}

TEST(Heap, ImpossibleSizesSayEnomem) {
  errno = 0;
  for (const size_t size :
       {size_t{PTRDIFF_MAX} + 1, SIZE_MAX, SIZE_MAX - 4096, size_t{PTRDIFF_MAX}}) {
    expect_refused(hak_malloc(size), "malloc");
    expect_refused(hak_calloc(1, size), "calloc");
    expect_refused(hak_realloc(nullptr, size), "realloc of nothing");
    for (const size_t alignment : {size_t{1}, size_t{64}, size_t{1} << 16, size_t{1} << 22}) {
      expect_refused(hak_aligned_alloc(alignment, size), "aligned_alloc");
    }
  }
  expect_refused(hak_calloc(size_t{1} << 32, size_t{1} << 32), "a product of 2^64");
  expect_refused(hak_calloc(SIZE_MAX / 2 + 1, 2), "a product just too large");
  expect_refused(hak_calloc(3, SIZE_MAX / 2), "a product that wraps to something small");
  expect_refused(hak_aligned_alloc(size_t{1} << 63, 1), "alignment 2^63");
  expect_refused(hak_aligned_alloc(size_t{1} << 62, 1), "alignment 2^62");
}

TEST(Heap, ARefusedReallocLeavesTheBlock) {
  for (const size_t size : {size_t{100}, size_t{100'000}, size_t{5} << 20}) {
    char* block = static_cast<char*>(hak_malloc(size));
    std::memset(block, 0x6b, size);
    for (const size_t wanted : {SIZE_MAX, size_t{PTRDIFF_MAX}, size_t{1} << 60}) {
      errno = 0;
      expect_refused(hak_realloc(block, wanted), "realloc");
    }
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(block[i], 0x6b);
    EXPECT_GE(hak_usable_size(block), size);
    hak_free(block);
  }
}

TEST(Heap, ReallocToNothingFreesAndIsNoFailure) {
  for (const size_t size : {size_t{1}, size_t{50'000}, size_t{3} << 20}) {
    void* block = hak_malloc(size);
    errno = 0;
    EXPECT_EQ(hak_realloc(block, 0), nullptr);
    EXPECT_EQ(errno, 0);
  }
  EXPECT_EQ(huge_blocks().stats().blocks, 0U);
}

TEST(Heap, AlignmentsThatAreNoPowerOfTwoSayEinval) {
  for (const size_t alignment : {size_t{0}, size_t{3}, size_t{24}, size_t{4097}, SIZE_MAX}) {
    errno = 0;
    EXPECT_EQ(hak_aligned_alloc(alignment, 10), nullptr) << alignment;
    EXPECT_EQ(errno, EINVAL) << alignment;
  }
}

TEST(Heap, EveryAlignmentWithEverySize) {
  for (size_t alignment = 1; alignment <= size_t{4} << 20; alignment *= 2) {
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{17}, size_t{1000}, size_t{5000}, size_t{40'000},
          size_t{100'000}, size_t{2} << 20, (size_t{2} << 20) + 1}) {
      char* block = static_cast<char*>(hak_aligned_alloc(alignment, size));
      ASSERT_NE(block, nullptr) << alignment << " " << size;
      ASSERT_EQ(test::address_of(block) % alignment, 0U) << alignment << " " << size;
      ASSERT_GE(hak_usable_size(block), size);
      if (size != 0) block[0] = block[size - 1] = 1;
      hak_free(block);
    }
  }
}

TEST(Heap, CallocIsZeroWhateverWasThere) {
  for (uint32_t i = 0; i < kClasses + 2; ++i) {
    const size_t size =
        i < kClasses ? class_info(ClassIndex(i)).block_bytes : (size_t{3} << 20) + i * 4096;
    for (uint32_t round = 0; round < 3; ++round) {
      char* block = static_cast<char*>(hak_calloc(1, size));
      ASSERT_NE(block, nullptr);
      ASSERT_TRUE(test::all_zero(block, size)) << size;
      std::memset(block, 0xff, hak_usable_size(block));
      hak_free(block);
      if (round == 1) hak_trim();
    }
  }
}

TEST(Heap, ALargeBlockGrowsInPlaceIntoFreeNeighbours) {
  if (kHardened) GTEST_SKIP() << "the hardened flavour moves it";
  hak_trim();
  char* block = static_cast<char*>(hak_malloc(100'000));
  std::memset(block, 0x33, 100'000);
  EXPECT_EQ(hak_realloc(block, 40'000), block);  // its tail goes back to the pool
  EXPECT_EQ(hak_realloc(block, 100'000), block);
  for (size_t i = 0; i < 40'000; ++i) ASSERT_EQ(block[i], 0x33);
  hak_free(block);
}

TEST(Heap, AWrongSizeIsCountedAndTheBlockFreed) {
  if (kHardened) GTEST_SKIP() << "the hardened flavour ends the program";
  const uint64_t before = heap::sized_mismatches();
  hak_free_sized(hak_malloc(100), 100);
  hak_free_sized(hak_malloc(100), 97);  // the same class
  hak_free_sized(hak_malloc(5000), 5000);
  hak_free_sized(nullptr, 10);
  EXPECT_EQ(heap::sized_mismatches(), before);
  hak_free_sized(hak_malloc(100), 4000);
  hak_free_sized(hak_malloc(100), 10);
  EXPECT_EQ(heap::sized_mismatches(), before + 2);
  EXPECT_EQ(hak_check_stopped(), nullptr);
}

TEST(Heap, AWrongSizeOfAHugeBlockIsCountedToo) {
  if (kHardened) GTEST_SKIP() << "the hardened flavour ends the program";
  const size_t page = os::page_size().count();
  const uint64_t before = heap::sized_mismatches();
  for (const size_t size : {kLargeMax + 1, size_t{3} << 20, (size_t{5} << 20) - 1}) {
    hak_free_sized(hak_malloc(size), size);
    hak_free_sized(hak_calloc(1, size), size);
    hak_free_sized(hak_realloc(hak_malloc(4 * size), size), size);
  }
  // The smallest that a realloc leaves where it is.
  const size_t half = (kLargeMax + page) / 2;
  hak_free_sized(hak_realloc(hak_malloc(kLargeMax + page), half), half);
  EXPECT_EQ(heap::sized_mismatches(), before);
  for (const size_t wrong : {size_t{0}, size_t{100}, size_t{2} << 20, (size_t{5} << 20) + 1, SIZE_MAX}) {
    hak_free_sized(hak_malloc(size_t{5} << 20), wrong);
    EXPECT_EQ(huge_blocks().stats().blocks, 0U);
  }
  EXPECT_EQ(heap::sized_mismatches(), before + 5);
}

TEST(Heap, AnAlignedBlockIsFreedWithBothItsArguments) {
  const uint64_t before = heap::sized_mismatches();
  for (size_t alignment = 1; alignment <= size_t{8} << 20; alignment *= 2) {
    for (const size_t size : {size_t{1}, size_t{16}, size_t{1000}, size_t{100'000}, size_t{3} << 20}) {
      hak_free_aligned_sized(hak_aligned_alloc(alignment, size), alignment, size);
    }
  }
  hak_free_aligned_sized(nullptr, 64, 16);
  EXPECT_EQ(heap::sized_mismatches(), before);
  if (kHardened) return;
  hak_free_aligned_sized(hak_aligned_alloc(64, 64), 64, 4096);
  hak_free_aligned_sized(hak_aligned_alloc(4096, size_t{3} << 20), 4096, size_t{4} << 20);
  EXPECT_EQ(heap::sized_mismatches(), before + 2);
}

TEST(Heap, AGoodSizeIsWhatABlockOfItHas) {
  const test::ScopedConfig small_pages([](Config& c) { c.thp = AutoSwitch::kOff; });
  for (size_t size = 0; size < size_t{9} << 20; size += size / 9 + 1) {
    const size_t good = hak_good_size(size);
    void* block = hak_malloc(size);
    ASSERT_EQ(good, hak_usable_size(block)) << size;
    hak_free(block);
    ASSERT_GE(good, size);
    ASSERT_EQ(hak_good_size(good), good) << size;
  }
  EXPECT_EQ(hak_good_size(PTRDIFF_MAX), 0U);
  EXPECT_EQ(hak_good_size(SIZE_MAX), 0U);
}

TEST(Heap, TrimGivesEverythingBack) {
  std::vector<void*> blocks;
  for (uint32_t i = 0; i < 20'000; ++i) blocks.push_back(hak_malloc(16 + i % 3000));
  blocks.push_back(hak_malloc(3 << 20));
  for (void* block : blocks) hak_free(block);
  EXPECT_EQ(hak_trim(), 1);
  const PoolStats stats = pool().stats();
  EXPECT_EQ(stats.active_slots, 0U);
  EXPECT_EQ(stats.empty_slots, 0U);
  EXPECT_EQ(huge_blocks().stats().retained, Bytes(0));
  EXPECT_EQ(hak_trim(), 0) << "there was nothing left";
}

TEST(HeapDeathTest, BadFreesAreReportedWhenTheyReachTheSlab) {
  EXPECT_DEATH(
      {
        char* block = static_cast<char*>(hak_malloc(100));
        hak_free(block);
        hak_free(block);
        hak_trim();
      },
      "ERROR: hakmem: double-free on address");
  EXPECT_DEATH(
      {
        char* block = static_cast<char*>(hak_malloc(100));
        hak_free(block + 16);
        hak_trim();
      },
      "ERROR: hakmem: free of an interior pointer on address");
  EXPECT_DEATH(
      {
        char* block = static_cast<char*>(hak_malloc(300'000));
        hak_free(block + 70'000);
      },
      "ERROR: hakmem: free of an interior pointer on address");
  EXPECT_DEATH(
      {
        char* block = static_cast<char*>(hak_malloc(300'000));
        hak_free(block);
        hak_trim();
        hak_free(block);
      },
      "ERROR: hakmem: free of memory that was released on address");
  EXPECT_DEATH(
      {
        int local[8] = {};
        hak_free(&local[4]);
      },
      "ERROR: hakmem: free of a pointer that malloc did not return on address");
}

}  // namespace
}  // namespace hakmem
