#include "heap/upkeep.h"

#include <atomic>

#include "os/latency.h"
#include "os/process.h"
#include "config/config.h"
#include "pool/memory_limit.h"
#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "large/huge.h"
#include "heap/pressure.h"

namespace hakmem::upkeep {

namespace {

// Long enough to matter, short enough that nobody sees it.
constexpr uint64_t kInPassingUs = 1000;
// Parked caches retired in passing: some ten microseconds each.
constexpr uint32_t kRetiredInPassing = 4;

// What a thread left behind is freed memory like any other.
void retire_parked(Milliseconds now, uint32_t at_most) {
  const uint64_t decay_ms = config().decay_ms;
  if (decay_ms < now.count()) cache_list().retire_parked(now - Milliseconds(decay_ms), at_most);
}

constexpr Milliseconds kReliefPause{10};
// Of the time, when it brings little: a program whose live blocks alone come near its limit has nothing to give.
constexpr uint64_t kReliefShare = 50;
constexpr Bytes kWorthwhile = mib(1);
// Growth after which it looks again at once: what is in use bounds what is resident.
constexpr Bytes kGrowth = mib(4);
// sync: none. Whoever moves it forward does the work.
constinit std::atomic<uint64_t> g_next_relief_ms{0};
constinit std::atomic<size_t> g_relief_from{SIZE_MAX};  // whatever the time

// What the rungs of the ladder do at once; what they forbid is asked for where it would be done.
void answer_pressure(Milliseconds now) {
  using Rung = MemoryLimit::Rung;
  const Rung before = memory_limit().rung();
  if (!pressure::look(now)) return;
  const Rung rung = memory_limit().rung();
  if (rung == Rung::kShrinkCaches && before != rung) {
    everything();
  } else if (rung >= Rung::kPurge) {
    // Holes come back with the passes of decay: walking all slabs each second would be for nothing.
    pool().purge_all();
    huge_blocks().purge_all();
  }
}

Bytes do_all(Milliseconds now, uint64_t deadline_us) {
  Bytes total = hole_purge().run(now, deadline_us);
  total += pool().decay(now, deadline_us);
  total += huge_blocks().decay(now, deadline_us);
  return total;
}

}  // namespace

Bytes in_passing(Milliseconds now) {
  const os::Stopwatch stopwatch(os::Cause::upkeep);
  answer_pressure(now);
  retire_parked(now, kRetiredInPassing);
  return do_all(now, os::now_microseconds() + kInPassingUs);
}

Bytes at_leisure(Milliseconds now) {
  answer_pressure(now);
  relieve(Bytes(0));
  cache_list().drain_mail();
  // A block in a sleeping thread's inbox keeps its page, however empty that is.
  cache_list().for_each(
      [](ThreadCache& cache) { ThreadCache::return_strays(cache.drain_stale_inbox()); });
  retire_parked(now, UINT32_MAX);
  return do_all(now, UINT64_MAX);
}

bool caches_must_shrink() { return memory_limit().rung() == MemoryLimit::Rung::kShrinkCaches; }

void relieve(Bytes wanted) {
  const Bytes used = pool().used() + wanted;
  if (!memory_limit().is_near(used)) return;
  const uint64_t now_ms = os::now_coarse().count();
  uint64_t due = g_next_relief_ms.load(std::memory_order_relaxed);
  if (now_ms < due && used.count() < g_relief_from.load(std::memory_order_relaxed)) return;
  const uint64_t next = now_ms + kReliefPause.count();
  if (due == next || !g_next_relief_ms.compare_exchange_strong(due, next, std::memory_order_relaxed)) return;
  g_relief_from.store(SIZE_MAX, std::memory_order_relaxed);
  const uint64_t begin_us = os::now_microseconds();
  if (everything() >= kWorthwhile) return;
  const uint64_t pause_ms = (os::now_microseconds() - begin_us) * kReliefShare / 1000;
  g_relief_from.store((used + kGrowth).count(), std::memory_order_relaxed);
  g_next_relief_ms.store(now_ms + pause_ms + kReliefPause.count(), std::memory_order_relaxed);
}

void relieve_for_huge(Bytes wanted) {
  answer_pressure(os::now_coarse());
  relieve(wanted);
}

Bytes everything() {
  cache_list().note_mail();
  cache_list().drain_parked();
  cache_list().for_each([](ThreadCache& cache) {
    ThreadCache::return_strays(cache.drain_inbox(true));
    cache.release_kept_slabs(ThreadCache::KeptSlabs::kAll);
  });
  Bytes total = hole_purge().purge_all();
  total += pool().purge_all();
  total += huge_blocks().purge_all();
  return total;
}

}  // namespace hakmem::upkeep
