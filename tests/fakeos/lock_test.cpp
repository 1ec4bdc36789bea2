// No system call under the lock of a cache, of the pool or of the huge blocks, ever; and the proof
// that the fake os/ would notice one.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "os/pages.h"
#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"
#include "large/huge.h"
#include "observe/invariants.h"
#include "observe/snapshot.h"

#include "hakmem/hakmem.h"

#include "fakeos/child.h"
#include "fakeos/fake_pages.h"
#include "fakeos/fake_process.h"
#include "fakeos/workload.h"

namespace hakmem::fakeos {
namespace {

constexpr size_t kPage = 4096;

TEST(Lock, NoSystemCallIsMadeUnderOne) {
  for (const Shape shape : kShapes) {
    for (uint64_t seed = 2; seed < 8; ++seed) {
      in_child(std::string(name_of(shape)) + ", seed " + std::to_string(seed), [shape, seed] {
        set_options(shape);
        Workload workload(seed);
        workload.run();
        workload.recover();
        workload.wind_up();
      });
    }
  }
}

// Blocks are freed by others, and time passes; with `script`, calls are refused meanwhile.
void exchange_between_threads(const Script& script) {
  static std::array<std::atomic<void*>, 256> slots;
  arm(script);
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      test::Random random(i + 1);
      for (int turn = 0; turn < 8000; ++turn) {
        std::atomic<void*>& slot = slots[random.below(slots.size())];
        void* fresh = random.below(2) == 0 ? hak_malloc(any_size(random)) : nullptr;
        hak_free(slot.exchange(fresh));
        if (turn % 64 == 0) advance_clock(Milliseconds(5));
        if (turn % 2000 == 1999) hak_trim();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  disarm();
  for (std::atomic<void*>& slot : slots) hak_free(slot.exchange(nullptr));
  hak_trim();
  HeapWalk walk;
  EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
  EXPECT_EQ(walk.live_blocks(), 0U);
  EXPECT_EQ(pool().stats().active_slots, 0U);
  EXPECT_EQ(huge_blocks().stats().blocks, 0U);
}

TEST(Lock, NorByFourThreadsAtOnce) {
  for (const Shape shape : kShapes) {
    in_child(name_of(shape), [shape] {
      set_options(shape);
      exchange_between_threads(Script{});
    });
  }
}

TEST(Lock, NorWhileEveryThirdCallIsRefused) {
  for (const Shape shape : kShapes) {
    in_child(name_of(shape), [shape] {
      set_options(shape);
      exchange_between_threads(Script{kEveryKind, 2, UINT64_MAX, 3, 0, 0});
    });
  }
}

// A release that leaves more EMPTY slots than are kept purges at once: by a flush, by mail that
// comes home to a live and to a parked cache.
TEST(Lock, NorWhenMoreIsEmptyThanIsKept) {
  for (const Shape shape : kShapes) {
    in_child(name_of(shape), [shape] {
      set_options(shape);
      std::array<std::vector<void*>, 4> blocks;
      auto owner = std::make_unique<Peer>();
      owner->run([&blocks] {
        for (size_t i = 0; i < 60'000; ++i) blocks[i % 4].push_back(hak_malloc(3000));
      });
      arm(Script{});
      const auto free_all = [&blocks](size_t part) {
        for (void* block : blocks[part]) hak_free(block);
      };
      owner->run([&free_all] { free_all(0); });
      free_all(1);
      owner = nullptr;
      free_all(2);
      std::thread(free_all, 3).join();
      EXPECT_GT(calls(Call::kPurge), 0U) << "no surplus: the case does not test what it says";
      hak_trim();
      HeapWalk walk;
      EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
      EXPECT_EQ(walk.live_blocks(), 0U);
    });
  }
}

TEST(Lock, NorByThoseWhoLook) {
  in_child("snapshot and walker", [] {
    void* block = hak_malloc(100);
    HeapSnapshot snapshot;
    take_snapshot(&snapshot);
    EXPECT_EQ(snapshot.caches, 1U);
    EXPECT_EQ(hak_check(), nullptr);
    EXPECT_STREQ(check_heap(Threads::kStopped), nullptr);
    hak_free(block);
  });
}

// --- The check can fail.

class LockDeathTest : public testing::Test {};

TEST_F(LockDeathTest, UnderTheLockOfThePool) {
  EXPECT_DEATH(
      {
        void* range = os::reserve(mib(2), kSuperSlabBytes);
        pool().shard_lock(SharedPool::kShards - 1).lock();
        os::purge(range, Bytes(kPage));
      },
      "fakeos: purge under the lock of the pool's shard 7");
}

TEST_F(LockDeathTest, UnderTheLockOfACache) {
  EXPECT_DEATH(
      {
        hak_free(hak_malloc(1));
        cache_list().find(OwnerId(1))->lock().lock();
        os::map(Bytes(kPage), Bytes(kPage));
      },
      "fakeos: map under the lock of cache 1");
}

TEST_F(LockDeathTest, UnderTheLockOfTheHugeBlocks) {
  EXPECT_DEATH(
      {
        void* mapping = os::map(Bytes(kPage), Bytes(kPage));
        huge_blocks().lock().lock();
        os::unmap(mapping, Bytes(kPage));
      },
      "fakeos: unmap under the lock of huge blocks");
}

// Through the heap: the walker's mapping under a lock that its caller forgot to give back.
TEST_F(LockDeathTest, DeepInsideACall) {
  EXPECT_DEATH(
      {
        set_options(Shape::kDefault);
        hak_free(hak_malloc(1));
        huge_blocks().lock().lock();
        check_heap(Threads::kStopped);
      },
      "fakeos: map under the lock of huge blocks");
}

TEST_F(LockDeathTest, ARangeThatIsNotHeld) {
  EXPECT_DEATH(
      {
        char* mapping = static_cast<char*>(os::map(Bytes(4 * kPage), Bytes(kPage)));
        os::unmap(mapping, Bytes(2 * kPage));
        os::unmap(mapping + kPage, Bytes(kPage));
      },
      "fakeos: unmap of a range that is not held, size 4096");
  EXPECT_DEATH(
      {
        char* mapping = static_cast<char*>(os::map(Bytes(4 * kPage), Bytes(kPage)));
        os::unmap(mapping + kPage, Bytes(2 * kPage));
        os::unmap(mapping, Bytes(4 * kPage));
      },
      "fakeos: unmap of a range that is not held, size 16384");
  EXPECT_DEATH(os::commit(os::map(Bytes(kPage), Bytes(kPage)), Bytes(kPage)),
               "fakeos: commit outside every reservation");
}

TEST_F(LockDeathTest, NoMultipleOfThePageSize) {
  EXPECT_DEATH(
      {
        set_page_size(kib(16));
        os::map(Bytes(kPage), kib(16));
      },
      "fakeos: map of no multiple of the page size: 4096");
}

// What another thread holds is not held by this one.
TEST(Lock, OfAnotherThreadIsNoMatter) {
  in_child("another holds the pool", [] {
    Peer peer;
    peer.run([] { pool().shard_lock(1).lock(); });
    void* mapping = os::map(Bytes(kPage), Bytes(kPage));
    EXPECT_NE(mapping, nullptr);
    os::unmap(mapping, Bytes(kPage));
    peer.run([] { pool().shard_lock(1).unlock(); });
  });
}

}  // namespace
}  // namespace hakmem::fakeos
