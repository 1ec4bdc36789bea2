#include "os/lock.h"

#include <gtest/gtest.h>

#include <thread>

#include "os/system_calls.h"

namespace hakmem::os {
namespace {

TEST(Lock, CountsWhatItIsAskedFor) {
  Lock lock{LockRank::kMeta};
  for (int i = 0; i < 5; ++i) {
    LockGuard guard(lock);
  }
  ASSERT_TRUE(lock.try_lock());
  lock.unlock();
  EXPECT_EQ(lock.stats().acquired.get(), 6U);
  EXPECT_EQ(lock.stats().contended.get(), 0U);
  EXPECT_EQ(lock.stats().atomics(), 12U) << "one takes, one gives back";
}

TEST(Lock, CountsRefusedTriesOfOthers) {
  Lock lock{LockRank::kMeta};
  LockGuard guard(lock);
  std::thread([&lock] {
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(lock.try_lock());
  }).join();
  EXPECT_EQ(lock.stats().acquired.get(), 1U);
  EXPECT_EQ(lock.stats().refused.load(std::memory_order_relaxed), 3U);
}

TEST(Lock, CountsWhoHadToWait) {
  Lock lock{LockRank::kMeta};
  const uint64_t waits = system_calls(SystemCall::kFutexWait);
  const uint64_t wakes = system_calls(SystemCall::kFutexWake);
  lock.lock();
  std::thread waiter([&lock] { LockGuard guard(lock); });
  // Every wait was counted before it began.
  while (system_calls(SystemCall::kFutexWait) == waits) std::this_thread::yield();
  lock.unlock();
  waiter.join();
  EXPECT_EQ(lock.stats().acquired.get(), 2U);
  EXPECT_EQ(lock.stats().contended.get(), 1U);
  EXPECT_GE(lock.stats().retries.get(), 2U) << "the first compare-exchange, and the mark";
  EXPECT_GE(system_calls(SystemCall::kFutexWake), wakes + 1);
}

TEST(Lock, CountsNothingTwiceWhileThreadsFightForIt) {
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kEach = 20'000;
  Lock lock{LockRank::kMeta};
  uint64_t turns = 0;
  std::thread threads[kThreads];
  for (std::thread& thread : threads) {
    thread = std::thread([&] {
      for (uint64_t i = 0; i < kEach; ++i) {
        LockGuard guard(lock);
        ++turns;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(turns, kThreads * kEach);
  EXPECT_EQ(lock.stats().acquired.get(), turns);
  EXPECT_LE(lock.stats().contended.get(), turns);
  EXPECT_GE(lock.stats().retries.get(), lock.stats().contended.get());
}

TEST(Lock, AChildOfForkGoesOnCounting) {
  Lock lock{LockRank::kMeta};
  lock.lock();
  lock.reset_in_child();
  LockGuard guard(lock);
  EXPECT_EQ(lock.stats().acquired.get(), 2U);
  EXPECT_EQ(lock.stats().contended.get(), 0U);
}

}  // namespace
}  // namespace hakmem::os
