// Profiled threads: what they are given is sound, what is counted adds up, and it ends.
#include "profile/profiler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "large/huge.h"
#include "heap/heap.h"
#include "heap/lifecycle.h"
#include "observe/invariants.h"

#include "unit/support.h"

namespace hakmem {
namespace {

void* get(size_t size) {
  void* block = heap::try_allocate(size);
  return block != nullptr ? block : heap::allocate_slow(size);
}

void put(void* block) {
  if (!heap::try_deallocate(block)) heap::deallocate_slow(block);
}

// The file of this process's profile; nullptr when it maps none.
const ProfileHeader* find_header() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(kProfileSuffix) == std::string::npos) continue;
    return reinterpret_cast<const ProfileHeader*>(std::stoull(line, nullptr, 16));
  }
  return nullptr;
}

uint64_t get(const ProfileWord& word) { return word.load(std::memory_order_relaxed); }

// Sizes of every range, aligned, zeroed, grown and shrunk; `keep` blocks of it are not freed.
std::vector<void*> work(uint64_t seed, size_t keep) {
  std::vector<void*> held;
  for (int i = 0; i < 40'000; ++i) {
    const uint64_t draw = split_mix(&seed);
    const size_t limit = size_t{16} << (draw % 16);
    const size_t size = 1 + (draw >> 8) % (i % 500 == 0 ? size_t{5} << 20 : limit);
    void* block = nullptr;
    if (i % 7 == 0) {
      block = heap::allocate_aligned(size_t{1} << (4 + draw % 15), size);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % (size_t{1} << (4 + draw % 15)), 0u);
    } else if (i % 5 == 0) {
      block = heap::allocate_zeroed(size);
      EXPECT_EQ(static_cast<char*>(block)[size - 1], 0);
    } else {
      block = get(size);
    }
    EXPECT_GE(heap::usable_size(block), size);
    memset(block, static_cast<int>(i), size < 64 ? size : 64);
    if (i % 3 == 0) {
      block = heap::reallocate(block, 1 + size * (draw % 5));
      EXPECT_EQ(static_cast<unsigned char*>(block)[0], i % 256);
    }
    held.push_back(block);
    if (held.size() > keep + 200) {
      const size_t victim = split_mix(&seed) % held.size();
      put(held[victim]);
      held[victim] = held.back();
      held.pop_back();
    }
  }
  while (held.size() > keep) {
    put(held.back());
    held.pop_back();
  }
  return held;
}

class ProfilerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kHardened) GTEST_SKIP() << "the hardened flavour has no profiler";
    profiler().start(Bytes(4096));
    if (!profiler().make_file()) GTEST_SKIP() << "no room in /dev/shm";
  }
  void TearDown() override {
    profiler().stop();
    EXPECT_EQ(find_header(), nullptr);
    const char* violation = check_heap(Threads::kStopped);
    EXPECT_EQ(violation, nullptr) << violation;
  }
};

TEST_F(ProfilerTest, NoRateIsSmallerThanTheSmallest) {
  profiler().stop();
  profiler().start(Bytes(1));
  EXPECT_EQ(profiler().rate(), Bytes(kProfileRateMin));
}

TEST_F(ProfilerTest, WhatIsFreedIsNotLive) {
  std::thread(work, 1, 0).join();
  const ProfileHeader* header = find_header();
  ASSERT_NE(header, nullptr);
  EXPECT_GT(get(header->samples), 10'000u);
  EXPECT_EQ(get(header->samples_lost), 0u);
  EXPECT_EQ(get(header->live_bytes), 0u);
  EXPECT_GT(get(header->peak_bytes), 0u);
}

TEST_F(ProfilerTest, SampledBlocksAloneBringTicksAndDecay) {
  // Of these none in e^32 is not sampled.
  constexpr size_t kSize = size_t{128} << 10;
  // Whatever pressure the machine is under.
  const test::ScopedConfig calm([](Config& c) { c.memory_limit_bytes = gib(1024).count(); });
  std::thread([] {
    std::vector<void*> held;
    for (int i = 0; i < 256; ++i) held.push_back(get(kSize));
    for (void* block : held) put(block);
    const ThreadCache* cache = lifecycle::current_cache();
    ASSERT_NE(cache, nullptr);
    const uint64_t ticks = cache->stats().ticks.get();
    // Each turn leaves two slots EMPTY; more than those are the decay's.
    ASSERT_GT(pool().stats().empty_slots, 8u);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (pool().stats().empty_slots > 8 && std::chrono::steady_clock::now() < limit) put(get(kSize));
    EXPECT_GT(cache->stats().ticks.get(), ticks + 1);
    EXPECT_LE(pool().stats().empty_slots, 8u);
  }).join();
  EXPECT_EQ(get(find_header()->live_bytes), 0u);
}

// Which is what ticks come of.
TEST_F(ProfilerTest, SampledHugeBlocksAreSlowPaths) {
  std::thread([] {
    put(get(64));
    const ThreadCache* cache = lifecycle::current_cache();
    ASSERT_NE(cache, nullptr);
    const uint64_t before = cache->stats().slow_paths.get();
    for (int i = 0; i < 10; ++i) put(get(size_t{3} << 20));
    EXPECT_GE(cache->stats().slow_paths.get(), before + 10);
  }).join();
}

// With a rate above all that is asked for: what is left of the way to the first sample says what was counted.
TEST_F(ProfilerTest, EachByteIsCountedWhereverItsBlockComesFrom) {
  profiler().stop();
  profiler().start(gib(1 << 20));
  std::thread([] {
    put(get(16));
    ThreadCache* cache = lifecycle::current_cache();
    ASSERT_NE(cache, nullptr);
    ASSERT_TRUE(cache->is_gated());
    uint64_t seed = 3;
    std::vector<void*> held;
    for (int i = 0; i < 60'000; ++i) {
      const uint64_t draw = split_mix(&seed);
      const size_t size = 1 + (draw >> 8) % (size_t{16} << (draw % 18));
      // Nothing lies on a stack's top uncounted, large or small, whatever moved before.
      ASSERT_EQ(heap::try_allocate(size), nullptr) << size;
      const int64_t before = cache->allowance;
      if (i % 7 == 0) {
        held.push_back(heap::allocate_aligned(size_t{1} << (4 + draw % 15), size));
      } else {
        held.push_back(i % 5 == 0 ? heap::allocate_zeroed(size) : heap::allocate_slow(size));
      }
      ASSERT_EQ(before - cache->allowance, static_cast<int64_t>(size));
      if (i % 5000 == 77) heap::idle();
      if (held.size() > 300) {
        const size_t victim = split_mix(&seed) % held.size();
        put(held[victim]);
        held[victim] = held.back();
        held.pop_back();
      }
      if (i % 1000 == 999) {
        // Half of them come back by mail, onto the stacks of many classes at once; others' come instead.
        std::thread([&held] {
          for (size_t j = 150; j < held.size(); ++j) {
            const size_t usable = heap::usable_size(held[j]);
            put(held[j]);
            held[j] = get(usable);
          }
        }).join();
      }
    }
    for (void* block : held) put(block);
  }).join();
}

// A handler's tick gates the thread between a pop's look at a block and its store of the top.
TEST_F(ProfilerTest, WhatAnInterruptedPopTookIsNotGivenOutAgain) {
  profiler().stop();
  profiler().start(gib(1 << 20));  // no samples
  std::thread([] {
    constexpr size_t kSize = 3000;
    const ClassIndex c = class_of(kSize);
    void* taken = get(kSize);
    void* others[2] = {get(kSize), get(kSize)};
    ThreadCache* cache = lifecycle::current_cache();
    ASSERT_TRUE(cache->is_gated());
    put(taken);
    --cache->tops[c.count()];                  // the pop goes on: `taken` is the program's
    ASSERT_TRUE(cache->push(c, others[0]));    // into the fence's place
    put(others[1]);
    void* again[2] = {get(kSize), get(kSize)};
    for (void* block : again) EXPECT_NE(block, taken);
    put(taken);
    for (void* block : again) put(block);
  }).join();
}

TEST_F(ProfilerTest, SmallFreesOfAProfiledThreadHit) {
  std::thread([] {
    put(get(64));
    ASSERT_TRUE(lifecycle::current_cache()->is_gated());
    void* block = get(64);
    // A sampled one does not, and one that meets a tick's fence.
    int hits = 0;
    for (int i = 0; i < 100; ++i, block = get(64)) hits += heap::try_deallocate(block) ? 1 : (put(block), 0);
    put(block);
    EXPECT_GT(hits, 80);
  }).join();
}

TEST_F(ProfilerTest, OthersMayFreeAfterTheThreadHasLeft) {
  std::vector<void*> held[4];
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([i, &held] { held[i] = work(i, 1000); });
  }
  for (std::thread& thread : threads) thread.join();
  const ProfileHeader* header = find_header();
  ASSERT_NE(header, nullptr);
  EXPECT_GT(get(header->live_bytes), 0u);
  const char* violation = check_heap(Threads::kStopped);
  EXPECT_EQ(violation, nullptr) << violation;
  // Half of them by a thread that is profiled, half by one that is not.
  std::thread([&held] {
    for (int i = 0; i < 2; ++i) {
      for (void* block : held[i]) put(block);
    }
  }).join();
  for (int i = 2; i < 4; ++i) {
    for (void* block : held[i]) put(block);
  }
  EXPECT_EQ(get(header->live_bytes), 0u);
}

TEST_F(ProfilerTest, BlocksOutliveTheProfile) {
  std::vector<void*> held;
  std::thread([&held] { held = work(9, 3000); }).join();
  profiler().stop();
  for (void* block : held) put(block);
  profiler().start(Bytes(4096));
  ASSERT_TRUE(profiler().make_file());
  EXPECT_EQ(get(find_header()->live_bytes), 0u);
}

TEST_F(ProfilerTest, ASecondStartChangesNothing) {
  profiler().start(Bytes(1 << 20));
  EXPECT_EQ(profiler().rate(), Bytes(4096));
}

}  // namespace
}  // namespace hakmem
