// os/lock.h: the one mutex, with a rank and a holder.
//
// Responsibility  Mutual exclusion on slow paths.
// Contract        A lock is taken only while holding locks of lower rank; of two caches' locks the
//                 second may only be tried. A signal handler that interrupted the holder can tell.
//                 No fairness.
// Observable      LockStats. Debug builds check ranks at every lock(); held_ranks() is for tests and
//                 os/pages.
// Composable      os/thread. Used by superslab, pool, front, large, profile, heap.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/check.h"
#include "base/counter.h"
#include "os/thread.h"

namespace hakmem::os {

// The order in which locks are taken; see ARCHITECTURE.
enum class LockRank : uint8_t {
  kRound = 0,
  kList = 1,
  kHoles = 2,
  kCache = 3,
  kHuge = 4,
  kPurge = 5,
  kGrow = 6,
  kPool = 7,
  kMeta = 8,
  kProfile = 9,
  kGuarded = 10,
  kLook = 11
};

inline constexpr uint32_t kLockRanks = static_cast<uint32_t>(LockRank::kLook) + 1;

// A child of fork starts with its parent's counts.
struct LockStats {
  // Written by the holder.
  Counter acquired;   // tries that succeeded included
  Counter contended;  // of these, how often somebody else held it
  Counter retries;    // further compare-exchanges: that failed, or only marked the lock contended
  // sync: none, a statistic. Tries that found the lock taken: nobody who writes it holds the lock.
  std::atomic<uint64_t> refused{0};

  // Locked instructions: one takes, one gives back.
  uint64_t atomics() const {
    return 2 * acquired.get() + retries.get() + 2 * refused.load(std::memory_order_relaxed);
  }
};

class Lock {
 public:
  constexpr explicit Lock(LockRank rank) : rank_(rank) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() {
    if constexpr (kDebug) check_rank();
    uint32_t expected = kFree;
    // sync: lock word. acquire pairs with the release in unlock().
    if (!state_.compare_exchange_strong(expected, my_mark(), std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      lock_slow();
    }
    taken();
  }

  bool try_lock() {
    uint32_t expected = kFree;
    if (!state_.compare_exchange_strong(expected, my_mark(), std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      // relaxed: nothing is published through a statistic.
      stats_.refused.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    taken();
    return true;
  }

  void unlock() {
    DCHECK(held_by_me());
    if constexpr (kDebug) forget_rank();
    // relaxed: only the holder itself compares it with its own identity.
    holder_.store(0, std::memory_order_relaxed);
    if ((state_.exchange(kFree, std::memory_order_release) & kContended) != 0) {
      futex_wake_one(&state_);
    }
  }

  // Right between any two instructions of lock() and unlock(), for the handler of a signal.
  bool held_by_me() const {
    const uint32_t state = state_.load(std::memory_order_relaxed);
    if ((state & ~kContended) != my_mark()) return false;
    const uintptr_t holder = holder_.load(std::memory_order_relaxed);
    return holder == 0 || holder == thread_identity();
  }

  const LockStats& stats() const { return stats_; }

  // In the child of fork, where the holder is the forking thread or has vanished.
  void reset_in_child() {
    if constexpr (kDebug) forget_rank();
    holder_.store(0, std::memory_order_relaxed);
    state_.store(kFree, std::memory_order_relaxed);
  }

 private:
  // The lock word is the holder's mark, so that taking the lock and being its holder are one step.
  static constexpr uint32_t kFree = 0;
  static constexpr uint32_t kContended = 1u << 31;

  // Of threads alive two may have the same mark, when their identities are 128 GiB apart.
  static uint32_t my_mark() {
    const uint32_t mark = static_cast<uint32_t>(thread_identity() >> 6) & ~kContended;
    return mark == kFree ? 1 : mark;
  }

  void taken() {
    if constexpr (kDebug) remember_rank();
    holder_.store(thread_identity(), std::memory_order_relaxed);
    stats_.acquired.add(1);
  }

  [[gnu::cold, gnu::noinline]] void lock_slow();
  void count_contended(uint64_t failed);
  void check_rank() const;
  void remember_rank() const;
  void forget_rank() const;

  std::atomic<uint32_t> state_{kFree};
  const LockRank rank_;
  // Tells apart the threads of one mark; 0 for a moment after lock() and before the end of unlock().
  std::atomic<uintptr_t> holder_{0};
  LockStats stats_;
};

class LockGuard {
 public:
  explicit LockGuard(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

// Debug builds: bit r is set while this thread holds a lock of rank r; always 0 in release builds.
uint32_t held_ranks();

constexpr uint32_t rank_bit(LockRank rank) { return 1u << static_cast<uint32_t>(rank); }

}  // namespace hakmem::os
