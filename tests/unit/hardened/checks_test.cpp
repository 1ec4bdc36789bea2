// Each check of the hardened flavour on each way that a free goes: short ones for tiny blocks, for mid ones, for those of
// other threads, and the long one.
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "hardened/block_view.h"
#include "hardened/hardened.h"
#include "observe/invariants.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem::hardened {
namespace {

using Deed = std::function<void(char*)>;

constexpr size_t kBefore = sizeof(uint64_t);

// By the thread that got the block, or by one that has a cache of its own.
struct Doer {
  const char* name;
  bool is_another;
};
void PrintTo(const Doer& doer, std::ostream* out) { *out << doer.name; }

void do_it(const Doer& doer, char* block, const Deed& deed) {
  if (!doer.is_another) return deed(block);
  std::thread([&] {
    hak_free(hak_malloc(1));
    deed(block);
  }).join();
}

// Small ones, another tiny one, mid ones; and of the long way alone.
constexpr size_t kSizes[] = {24, 100, 900, 5000, 30'000};
constexpr size_t kAboveMid[] = {100'000, size_t{5} << 20};

class ChecksDeathTest : public testing::TestWithParam<Doer> {
 protected:
  // Not the first of a reservation, before which a guard lies.
  static char* get(size_t size) {
    char* block = static_cast<char*>(hak_malloc(size));
    const bool may_be_first = test::address_of(block) % kSuperSlabBytes.count() == 0;
    if (!may_be_first || size > kMidMax) return block;
    char* other = get(size);
    hak_free(block);
    return other;
  }
  static void by_doer(size_t size, const Deed& deed) { do_it(GetParam(), get(size), deed); }
};
INSTANTIATE_TEST_SUITE_P(Doers, ChecksDeathTest, testing::Values(Doer{"owner", false}, Doer{"another", true}),
                         [](const auto& doer) { return std::string(doer.param.name); });

TEST_P(ChecksDeathTest, FreedTwice) {
  for (const size_t size : kSizes) {
    EXPECT_DEATH(by_doer(size,
                         [](char* block) {
                           hak_free(block);
                           hak_free(block);
                         }),
                 "double-free")
        << size;
  }
}

TEST_P(ChecksDeathTest, FreedInside) {
  for (const size_t size : kSizes) {
    EXPECT_DEATH(by_doer(size, [](char* block) { hak_free(block + 16); }), "interior pointer") << size;
  }
}

TEST_P(ChecksDeathTest, FreedWithAnotherSize) {
  for (const size_t size : kSizes) {
    EXPECT_DEATH(by_doer(size, [size](char* block) { hak_free_sized(block, size - 1); }), "size-mismatch")
        << size;
  }
}

TEST_P(ChecksDeathTest, FreedByAnotherKindOfCall) {
  for (const size_t size : kSizes) {
    EXPECT_DEATH(by_doer(size, [](char* block) { deallocate_slow(block, kAnySize, 0, Origin::kNew); }),
                 "alloc-dealloc-mismatch")
        << size;
  }
}

TEST_P(ChecksDeathTest, WrittenBehind) {
  const auto dies = [](size_t size) {
    EXPECT_DEATH(by_doer(size,
                         [size](char* block) {
                           block[size] = 0;
                           hak_free(block);
                         }),
                 "heap-buffer-overflow")
        << size;
  };
  for (const size_t size : kSizes) dies(size);
  for (const size_t size : kAboveMid) dies(size);
}

TEST_P(ChecksDeathTest, WrittenBefore) {
  for (const size_t size : kSizes) {
    EXPECT_DEATH(by_doer(size,
                         [](char* block) {
                           std::memset(block - kBefore, 'x', kBefore);
                           hak_free(block);
                         }),
                 "heap-buffer-(underflow|overflow)")
        << size;
  }
}

TEST_P(ChecksDeathTest, ReadAfterFree) {
  for (const size_t size : {24u, 100u, 900u}) {
    char* block = get(size);
    std::memset(block, 's', size);
    do_it(GetParam(), block, [](char* freed) { hak_free(freed); });
    EXPECT_TRUE(test::all_zero(block, size)) << size;
  }
}

// More than wait in a quarantine: they come home, and to nobody else.
TEST(Checks, WhatAnotherThreadFreesComesHome) {
  for (const size_t size : kSizes) {
    std::vector<void*> blocks;
    for (int i = 0; i < 300; ++i) blocks.push_back(hak_malloc(size));
    do_it(Doer{"another", true}, nullptr, [&](char*) {
      void* own[20];  // of a thread that has a stack of this class
      for (void*& block : own) block = hak_malloc(size);
      for (void* block : blocks) hak_free(block);
      for (void* block : own) hak_free(block);
    });
    EXPECT_STREQ(check_heap(Threads::kStopped), nullptr) << size;
  }
}

// Of a free block, at its middle and at the word that ends it.
void write_after_free_and_reuse(const Doer& doer, size_t size, size_t at) {
  char* block = static_cast<char*>(hak_malloc(size));
  do_it(doer, block, [](char* freed) { hak_free(freed); });
  block[at] ^= 'x';
  for (uint32_t round = 0; round < 20; ++round) {
    static char* blocks[500];
    for (char*& each : blocks) each = static_cast<char*>(hak_malloc(size));
    for (char* each : blocks) hak_free(each);
  }
}

TEST_P(ChecksDeathTest, WrittenAfterFreeAndUsedAgain) {
  for (const size_t size : {24u, 100u, 900u, 5000u}) {
    const size_t last = block_bytes(class_of(size + kCanaryBytes)).count() - 1;
    // A neighbour may look at it first.
    EXPECT_DEATH(write_after_free_and_reuse(GetParam(), size, last), "write-after-free|heap-buffer-underflow") << size;
    if (size > kTinyMax) continue;
    EXPECT_DEATH(write_after_free_and_reuse(GetParam(), size, size / 2), "write-after-free") << size;
  }
}

TEST_P(ChecksDeathTest, WrittenAfterFreeWhereMidBlocksAreZeroedToo) {
  const test::ScopedConfig config([](Config& c) { c.zero_freed_bytes = mib(1).count(); });
  EXPECT_DEATH(write_after_free_and_reuse(GetParam(), 5000, 2500), "write-after-free");
}

TEST_P(ChecksDeathTest, WrittenAfterFreeAndGivenBack) {
  EXPECT_DEATH(
      {
        char* block = get(900);
        do_it(GetParam(), block, [](char* freed) { hak_free(freed); });
        block[450] = 'x';
        hak_trim();
        hak_trim();
      },
      "write-after-free");
}

TEST_P(ChecksDeathTest, WrittenFarBehindAHugeBlock) {
  EXPECT_EXIT(by_doer(size_t{5} << 20,
                      [](char* block) {
                        signal(SIGSEGV, SIG_DFL);  // not a sanitizer's
                        block[(size_t{5} << 20) + 8192] = 0;
                      }),
              testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace hakmem::hardened
