#include "heap/pressure.h"

#include <atomic>

#include "os/sandbox.h"
#include "config/config.h"
#include "pool/shared_pool.h"

namespace hakmem::pressure {

namespace {

using Rung = MemoryLimit::Rung;

// A container's memory matters to programs of some size only.
constexpr Bytes kLookedUpFrom = mib(32);
constexpr Milliseconds kPause{1000};

// Seven eighths of a group's limit, as for the process's own.
constexpr uint32_t kFullPercent = 87;
// Reading files fills a group as well, but the kernel drops such pages: coming up to the limit says
// something only where much of it is no files.
constexpr uint32_t kHalfFullPercent = 50;
// Of ten seconds.
constexpr uint32_t kStalledPercent = 10;

// sync: none. Whoever moves it forward does the reading; so the hits have one writer at a time, or two that
// are a second apart, and are a hint.
constinit std::atomic<uint64_t> g_next_look_ms{0};
constinit std::atomic<uint64_t> g_hits{UINT64_MAX};

bool finds_pressure(const os::MemoryReport& report, uint64_t hits_before) {
  if (report.full_percent >= kFullPercent) return true;
  if (report.knows_stalls) return report.stalled_percent >= kStalledPercent;
  return report.limit_hits > hits_before && report.full_percent >= kHalfFullPercent;
}

}  // namespace

Rung next_rung(Rung rung, const os::MemoryReport& report, uint64_t hits_before) {
  const auto step = static_cast<uint32_t>(rung);
  if (finds_pressure(report, hits_before)) return rung == Rung::kShrinkCaches ? rung : Rung{step + 1};
  return rung == Rung::kCalm ? rung : Rung{step - 1};
}

bool look(Milliseconds now) {
  if (config().memory_limit_bytes != 0) return false;
  uint64_t due = g_next_look_ms.load(std::memory_order_relaxed);
  if (now.count() < due) return false;
  // A process that became small again has nothing to give.
  const bool is_small = pool().used() < kLookedUpFrom;
  if (is_small && memory_limit().rung() == Rung::kCalm) return false;
  if (!g_next_look_ms.compare_exchange_strong(due, (now + kPause).count(), std::memory_order_relaxed)) {
    return false;
  }
  if (os::is_sandboxed()) {
    memory_limit().set_rung(Rung::kCalm);  // nobody will take it down again
    return false;
  }
  const os::MemoryReport report = os::read_memory_report();
  const uint64_t hits_before = g_hits.exchange(report.limit_hits, std::memory_order_relaxed);
  memory_limit().set(report.limit);
  memory_limit().set_rung(next_rung(memory_limit().rung(), report, hits_before));
  return true;
}

}  // namespace hakmem::pressure
