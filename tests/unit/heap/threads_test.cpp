// Real threads on the whole heap; afterwards the walker, and everything given back.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "os/residency.h"
#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"
#include "heap/heap.h"
#include "observe/invariants.h"
#include "observe/snapshot.h"
#include "observe/standstill.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem {
namespace {

constexpr size_t kScale = 4;

// A block that knows its size: freeing one that was damaged or handed out twice is noticed.
struct Block {
  size_t size;
  uint64_t check;
};
std::atomic<uint32_t> g_damaged{0};

uint64_t check_of(const Block* block, size_t size) { return test::address_of(block) ^ size * 77; }

Block* make(size_t size) {
  if (size < 2 * sizeof(Block)) size = 2 * sizeof(Block);
  Block* block = static_cast<Block*>(hak_malloc(size));
  if (block == nullptr) return nullptr;
  *block = Block{size, check_of(block, size)};
  Block* last = reinterpret_cast<Block*>(reinterpret_cast<char*>(block) + (size & ~size_t{15})) - 1;
  if (last > block) *last = *block;
  return block;
}

void destroy(Block* block) {
  if (block == nullptr) return;
  const size_t size = block->size;
  const Block* last =
      reinterpret_cast<const Block*>(reinterpret_cast<char*>(block) + (size & ~size_t{15})) - 1;
  if (block->check != check_of(block, size) || last->check != block->check) {
    g_damaged.fetch_add(1, std::memory_order_relaxed);
  }
  block->check = 0;
  hak_free(block);
}

size_t random_size(test::Random& random) {
  const size_t kind = random.below(100);
  if (kind < 70) return random.below(1024);
  if (kind < 95) return random.below(32 << 10);
  if (kind < 99) return random.below(512 << 10);
  return (2 << 20) + random.below(1 << 20);
}

using Slots = std::array<std::atomic<Block*>, 512>;

// Puts blocks where it finds none, and frees what others put there.
void exchange(Slots& slots, uint64_t seed, size_t turns) {
  test::Random random(seed);
  for (size_t i = 0; i < turns; ++i) {
    std::atomic<Block*>& slot = slots[random.below(slots.size())];
    Block* fresh = random.below(2) == 0 ? make(random_size(random)) : nullptr;
    destroy(slot.exchange(fresh, std::memory_order_acq_rel));
  }
}

void empty(Slots& slots) {
  for (std::atomic<Block*>& slot : slots)
    destroy(slot.exchange(nullptr, std::memory_order_acq_rel));
}

template <class Work>
void run_threads(uint64_t count, Work work) {
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

// After a storm: nothing was damaged, nothing is lost, and everything can be given back.
class ThreadsTest : public testing::Test {
 protected:
  ThreadsTest() { g_damaged = 0; }

  void TearDown() override {
    EXPECT_EQ(g_damaged.load(), 0U);
    const Rest rest;
    HeapWalk walk;
    EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
    EXPECT_EQ(walk.live_blocks(), 0U);
    hak_trim();
    EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
    EXPECT_EQ(walk.live_blocks(), 0U);
    EXPECT_EQ(pool().stats().active_slots, 0U);
    EXPECT_EQ(pool().stats().empty_slots, 0U);
    EXPECT_EQ(huge_blocks().stats().blocks, 0U);
    EXPECT_EQ(huge_blocks().stats().retained, Bytes(0));
  }
};

TEST_F(ThreadsTest, FourThreadsExchangeBlocks) {
  static Slots slots;
  run_threads(4, [](uint64_t i) { exchange(slots, i + 1, 20'000 * kScale); });
  empty(slots);
}

TEST_F(ThreadsTest, ProducersAndConsumers) {
  struct Queue {
    std::mutex mutex;
    std::vector<Block*> blocks;
  };
  Queue queue;
  std::atomic<uint32_t> producing{2};
  constexpr size_t kBatch = 50;
  run_threads(4, [&](uint64_t i) {
    test::Random random(i + 1);
    if (i < 2) {
      for (size_t batch = 0; batch < 300 * kScale; ++batch) {
        std::vector<Block*> made;
        for (size_t k = 0; k < kBatch; ++k) made.push_back(make(16 + random.below(9000)));
        const std::scoped_lock lock(queue.mutex);
        queue.blocks.insert(queue.blocks.end(), made.begin(), made.end());
      }
      --producing;
      return;
    }
    // Ends when the producers have, and the queue is empty.
    for (bool more = true; more;) {
      more = producing != 0;
      std::vector<Block*> taken;
      {
        const std::scoped_lock lock(queue.mutex);
        taken.swap(queue.blocks);
      }
      for (Block* block : taken) destroy(block);
      if (taken.empty()) std::this_thread::yield();
    }
  });
  for (Block* block : queue.blocks) destroy(block);
}

TEST_F(ThreadsTest, ThreadsExitWhileOthersFreeTheirBlocks) {
  static Slots slots;
  std::atomic<bool> done{false};
  std::thread reaper([&done] {
    test::Random random(99);
    while (!done.load(std::memory_order_relaxed)) {
      destroy(slots[random.below(slots.size())].exchange(nullptr, std::memory_order_acq_rel));
    }
  });
  for (uint64_t round = 0; round < 60 * kScale; ++round) {
    run_threads(2, [round](uint64_t i) { exchange(slots, round * 2 + i + 1, 400); });
  }
  done = true;
  reaper.join();
  empty(slots);
}

TEST_F(ThreadsTest, ShortThreadsReuseTheCachesOfThoseBeforeThem) {
  static Slots slots;
  run_threads(1, [](uint64_t) { hak_free(hak_malloc(1)); });
  const uint32_t caches = cache_list().count();
  for (uint64_t round = 0; round < 100 * kScale; ++round) {
    run_threads(4, [round](uint64_t i) { exchange(slots, round * 4 + i + 1, 100); });
  }
  EXPECT_LE(cache_list().count(), caches + 4);
  empty(slots);
}

TEST_F(ThreadsTest, PartlyFreeSlabsOfThreadsThatLeftAreAdopted) {
  std::vector<Block*> left;
  // Three that all live at once, so that each has a cache of its own.
  std::atomic<uint32_t> arrived{0};
  std::mutex mutex;
  run_threads(3, [&](uint64_t) {
    std::vector<Block*> mine;
    for (uint32_t i = 0; i < 3000; ++i) mine.push_back(make(500));
    ++arrived;
    while (arrived != 3) std::this_thread::yield();
    for (size_t i = 0; i < mine.size(); ++i) {
      if (i % 4 != 0) destroy(mine[i]);
    }
    const std::scoped_lock lock(mutex);
    for (size_t i = 0; i < mine.size(); i += 4) left.push_back(mine[i]);
  });
  const ClassIndex c = class_of(500);
  EXPECT_GT(cache_list().adoptable(c), 0);
  const uint64_t acquires = pool().stats().acquires;
  std::vector<Block*> mine;
  for (uint32_t i = 0; i < 3000; ++i) mine.push_back(make(500));
  EXPECT_LT(pool().stats().acquires - acquires, 5U) << "there were enough slabs to adopt";
  for (Block* block : mine) destroy(block);
  for (Block* block : left) destroy(block);
}

TEST_F(ThreadsTest, TrimAndSnapshotsInTheStorm) {
  static Slots slots;
  std::atomic<uint32_t> running{4};
  std::thread observer([&running] {
    auto snapshot = std::make_unique<HeapSnapshot>();
    for (uint32_t turn = 0; running != 0; ++turn) {
      take_snapshot(snapshot.get());
      const PoolStats& stats = snapshot->pool.stats;
      EXPECT_EQ((stats.unused_slots + stats.active_slots + stats.empty_slots) % kSlotsPerSuperSlab,
                0U);
      if (turn % 8 == 0) hak_trim();
    }
  });
  run_threads(4, [&running](uint64_t i) {
    std::vector<Block*> growing;
    for (uint32_t k = 0; k < 100; ++k) growing.push_back(make(400'000));
    exchange(slots, i + 50, 10'000 * kScale);
    for (Block* block : growing) destroy(block);
    --running;
  });
  observer.join();
  empty(slots);
}

// Tags that come and go with slabs and reallocs must not look like damage to a walker.
TEST_F(ThreadsTest, CheckInTheStorm) {
  static Slots slots;
  std::atomic<uint32_t> running{3};
  std::thread observer([&running] {
    while (running != 0) {
      const char* violation = hak_check();
      EXPECT_STREQ(violation, nullptr);
      if (violation != nullptr) break;
    }
  });
  run_threads(3, [&running](uint64_t i) {
    exchange(slots, i + 70, 5'000 * kScale);
    void* large = hak_malloc(50'000);
    for (size_t turn = 0; turn < 2'000 * kScale; ++turn) {
      large = hak_realloc(large, 50'000 + turn % 7 * 60'000);
    }
    hak_free(large);
    --running;
  });
  observer.join();
  empty(slots);
}

std::atomic<bool> g_fork_begins{false};

// Its child must not have a descriptor of the parent's memory.
TEST_F(ThreadsTest, ForkWaitsForWhoLooksIntoMemory) {
  if (test::kThreadSanitizer) GTEST_SKIP() << "a thread sanitizer's child of fork is not supported";
  hak_free(hak_malloc(1));
  // Called before those that were there already.
  ASSERT_EQ(pthread_atfork([] { g_fork_begins = true; }, nullptr, nullptr), 0);
  std::atomic<bool> looks{false};
  std::atomic<bool> is_done{false};
  std::thread looker([&] {
    os::look_lock().lock();
    looks = true;
    while (!g_fork_begins) sched_yield();
    for (int i = 0; i < 10'000; ++i) sched_yield();
    is_done = true;
    os::look_lock().unlock();
  });
  while (!looks) sched_yield();
  const pid_t child = fork();
  if (child == 0) _exit(is_done && os::look_lock().try_lock() ? 0 : 1);
  ASSERT_GT(child, 0);
  looker.join();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(ThreadsTest, ForkInTheStorm) {
  if (test::kThreadSanitizer) GTEST_SKIP() << "a thread sanitizer's child of fork is not supported";
  static Slots slots;
  std::atomic<bool> done{false};
  std::vector<std::thread> storm;
  for (uint64_t i = 0; i < 3; ++i) {
    storm.emplace_back([i, &done] {
      for (uint64_t round = 0; !done; ++round) exchange(slots, round * 3 + i + 1, 1000);
    });
  }
  for (uint32_t round = 0; round < 150; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      static Slots own;
      // The vanished threads' caches are orphans until somebody needs a parked one.
      const char* violation = round % 2 == 0 ? hak_check_stopped() : nullptr;
      exchange(own, round + 1, 2000);
      empty(own);
      hak_trim();
      if (violation == nullptr) violation = hak_check_stopped();
      if (violation != nullptr) fprintf(stderr, "child %u: %s\n", round, violation);
      _exit(g_damaged != 0 ? 2 : (violation != nullptr ? 3 : 0));
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << round << " signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << round;
  }
  done = true;
  for (std::thread& thread : storm) thread.join();
  empty(slots);
}

}  // namespace
}  // namespace hakmem
