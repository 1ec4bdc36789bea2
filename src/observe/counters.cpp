#include "observe/counters.h"

#include "os/lock.h"
#include "os/residency.h"
#include "os/system_calls.h"
#include "superslab/meta_arena.h"
#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "front/thread_cache.h"
#include "large/guarded.h"
#include "large/huge.h"
#include "heap/scavenger.h"
#include "profile/profiler.h"

namespace hakmem {

namespace {

using os::LockRank;
using os::SystemCall;

constexpr CounterInfo kInfo[] = {
#define HAKMEM_COUNTER(name, unit, value, help) {#name, unit, help},
#include "observe/counters.def"
};

// CacheStats of all caches.
struct CacheSums {
  uint64_t slow_paths = 0;
  uint64_t refills = 0;
  uint64_t flushes = 0;
  uint64_t messages_sent = 0;
  uint64_t blocks_sent = 0;
  uint64_t messages_received = 0;
  uint64_t slabs_acquired = 0;
  uint64_t slabs_released = 0;
  uint64_t slabs_adopted = 0;
  uint64_t large_taken = 0;
  uint64_t ticks = 0;
  uint64_t drains = 0;
  uint64_t inbox_atomics = 0;
  uint64_t budget_atomics = 0;
  uint64_t parked_atomics = 0;

  void add(const CacheStats& stats) {
    slow_paths += stats.slow_paths.get();
    refills += stats.refills.get();
    flushes += stats.flushes.get();
    messages_sent += stats.messages_sent.get();
    blocks_sent += stats.blocks_sent.get();
    messages_received += stats.messages_received.get();
    slabs_acquired += stats.slabs_acquired.get();
    slabs_released += stats.slabs_released.get();
    slabs_adopted += stats.slabs_adopted.get();
    large_taken += stats.large_taken.get();
    ticks += stats.ticks.get();
    drains += stats.drains.get();
    inbox_atomics += stats.inbox_atomics.get();
    budget_atomics += stats.budget_atomics.get();
    parked_atomics += stats.parked_atomics.get();
  }
};

// LockStats of all locks of one rank.
struct LockSums {
  uint64_t acquired = 0;
  uint64_t contended = 0;
  uint64_t refused = 0;
  uint64_t atomics = 0;

  void add(const os::LockStats& stats) {
    acquired += stats.acquired.get();
    contended += stats.contended.get();
    refused += stats.refused.load(std::memory_order_relaxed);
    atomics += stats.atomics();
  }
};

struct Sums {
  CacheSums caches;
  LockSums locks[os::kLockRanks];
  const CacheListStats& list = cache_list().stats();
  const PoolCounters pool = hakmem::pool().counters();
  const HugeCounters& huge = huge_blocks().counters();
  const GuardedStats& guarded = guarded_blocks().stats();

  Sums() {
    cache_list().for_each([this](ThreadCache& cache) {
      caches.add(cache.stats());
      lock(LockRank::kCache).add(cache.lock().stats());
    });
    lock(LockRank::kRound).add(scavenger::round_lock().stats());
    lock(LockRank::kList).add(cache_list().lock().stats());
    lock(LockRank::kHoles).add(hole_purge().lock().stats());
    lock(LockRank::kHuge).add(huge_blocks().lock().stats());
    lock(LockRank::kPurge).add(hakmem::pool().purge_lock().stats());
    lock(LockRank::kGrow).add(hakmem::pool().grow_lock().stats());
    for (uint32_t i = 0; i < SharedPool::kShards; ++i) {
      lock(LockRank::kPool).add(hakmem::pool().shard_lock(i).stats());
    }
    lock(LockRank::kMeta).add(meta_arena().lock().stats());
    lock(LockRank::kProfile).add(profiler().lock().stats());
    lock(LockRank::kGuarded).add(guarded_blocks().lock().stats());
    lock(LockRank::kLook).add(os::look_lock().stats());
  }

  LockSums& lock(LockRank rank) { return locks[static_cast<uint32_t>(rank)]; }

  uint64_t of_all_locks(uint64_t LockSums::*member) const {
    uint64_t total = 0;
    for (const LockSums& sum : locks) total += sum.*member;
    return total;
  }
  uint64_t locks_acquired() const { return of_all_locks(&LockSums::acquired); }
  uint64_t locks_contended() const { return of_all_locks(&LockSums::contended); }
  uint64_t locks_refused() const { return of_all_locks(&LockSums::refused); }
  uint64_t lock_atomics() const { return of_all_locks(&LockSums::atomics); }

  uint64_t inbox_atomics() const { return caches.inbox_atomics + caches.drains; }
  uint64_t parked_atomics() const { return caches.parked_atomics + list.atomics.get(); }
  uint64_t atomics() const {
    return lock_atomics() + inbox_atomics() + caches.budget_atomics + parked_atomics() +
           system_calls();
  }

  uint64_t pool_visits() const {
    return pool.acquires + pool.misses + pool.releases + pool.resizes +
           caches.slabs_adopted;
  }

  static uint64_t system_calls() {
    uint64_t total = 0;
    for (uint32_t kind = 0; kind < os::kSystemCallKinds; ++kind) {
      total += os::system_calls(static_cast<SystemCall>(kind));
    }
    return total;
  }
};

}  // namespace

const CounterInfo& counter_info(uint32_t index) { return kInfo[index]; }

void read_counters(CounterValues* out) {
  Sums sums;
  uint64_t* value = out->values;
#define HAKMEM_COUNTER(name, unit, expression, help) *value++ = expression;
#include "observe/counters.def"
}

}  // namespace hakmem
