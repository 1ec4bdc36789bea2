#include "os/latency.h"

#include <time.h>

#include <bit>

namespace hakmem::os {

namespace {

constinit Latency g_latencies[kCauses];

Latency& latency(Cause cause) { return g_latencies[static_cast<uint32_t>(cause)]; }

}  // namespace

const Latency& latency_of(Cause cause) { return latency(cause); }

void watch_latency(bool on) {
  // relaxed: the figures of the first slow paths may come from before. Read first: each slow path of every thread
  // reads that line, which a store takes from them, and this is called with each write of the page.
  if (g_latency_watch.on.load(std::memory_order_relaxed) == on) return;
  g_latency_watch.on.store(on, std::memory_order_relaxed);
  if (!on) return;
  for (Latency& one : g_latencies) one.longest_ns.store(0, std::memory_order_relaxed);
}

uint64_t latency_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void note_latency(Cause cause, uint64_t begin_ns) {
  const uint64_t took = latency_clock_ns() - begin_ns;
  const uint32_t width = static_cast<uint32_t>(std::bit_width(took | 1)) - 1;
  Latency& one = latency(cause);
  // relaxed throughout: nothing is published through a statistic.
  one.buckets[width < kLatencyBuckets ? width : kLatencyBuckets - 1].fetch_add(1, std::memory_order_relaxed);
  one.total_ns.fetch_add(took, std::memory_order_relaxed);
  uint64_t longest = one.longest_ns.load(std::memory_order_relaxed);
  while (took > longest && !one.longest_ns.compare_exchange_weak(longest, took, std::memory_order_relaxed)) {
  }
}

}  // namespace hakmem::os
