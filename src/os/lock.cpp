#include "os/lock.h"

namespace hakmem::os {

namespace {

// How many locks of each rank this thread holds. Only debug builds count, and only they have it: what other builds
// have of static TLS is the front's one word.
[[maybe_unused]] constinit thread_local uint16_t t_held[kLockRanks] = {};

constexpr int kSpins = 64;

}  // namespace

uint32_t held_ranks() {
  uint32_t ranks = 0;
  if constexpr (kDebug) {
    for (uint32_t rank = 0; rank < kLockRanks; ++rank) ranks |= t_held[rank] != 0 ? 1u << rank : 0u;
  }
  return ranks;
}

void Lock::lock_slow() {
  uint64_t failed = 1;  // the caller's
  // A holder does less than a microsecond of work, so look a few times before sleeping.
  for (int i = 0; i < kSpins; ++i) {
    uint32_t expected = kFree;
    if (state_.load(std::memory_order_relaxed) == kFree) {
      if (state_.compare_exchange_weak(expected, my_mark(), std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return count_contended(failed);
      }
      ++failed;
    }
    spin_pause();
  }
  // Whoever slept takes the lock as contended: there may be others asleep.
  for (;;) {
    uint32_t seen = kFree;
    if (state_.compare_exchange_strong(seen, my_mark() | kContended, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      return count_contended(failed);
    }
    ++failed;
    if ((seen & kContended) == 0) {
      ++failed;
      if (!state_.compare_exchange_strong(seen, seen | kContended, std::memory_order_relaxed,
                                          std::memory_order_relaxed)) {
        continue;
      }
    }
    futex_wait(&state_, seen | kContended);
  }
}

// Under the lock that was just taken.
void Lock::count_contended(uint64_t failed) {
  stats_.contended.add(1);
  stats_.retries.add(failed);
}

void Lock::check_rank() const {
  // Fork is the one caller that holds several caches' locks, and it takes them by id.
  const uint32_t below = held_ranks() & ~((1u << static_cast<uint32_t>(rank_)) - 1);
  if (rank_ == LockRank::kCache && (held_ranks() & rank_bit(LockRank::kList)) != 0) return;
  CHECK(!held_by_me());
  // And whoever holds the grow lock several shards' of the pool, in their order.
  const bool may_repeat = rank_ == LockRank::kPool && (held_ranks() & rank_bit(LockRank::kGrow)) != 0;
  if (may_repeat && (below & ~rank_bit(LockRank::kPool)) == 0) return;
  CHECK(below == 0);
}

void Lock::remember_rank() const {
  if constexpr (kDebug) ++t_held[static_cast<uint32_t>(rank_)];
}

void Lock::forget_rank() const {
  if constexpr (kDebug) {
    uint16_t& held = t_held[static_cast<uint32_t>(rank_)];
    if (held != 0) --held;
  }
}

}  // namespace hakmem::os
