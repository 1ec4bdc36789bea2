// os/latency.h: how long slow paths take, by cause, while somebody asks.
//
// Responsibility  A histogram of durations for each cause.
// Contract        While nobody watches, a slow path reads one word and no clock. Counts only grow; the longest
//                 is that since watching began. A time includes what it calls: a refill's that of its acquire.
//                 One set for the process: additions by several threads meet only while it is watched, and a
//                 set for each cache would cost 3 KiB a thread that is nearly never used.
// Observable      latency_of(cause).
// Composable      The clock. Used by pool, front, large and heap, which have a Stopwatch each; observe.
#pragma once

#include <atomic>
#include <cstdint>

namespace hakmem::os {

// Name and help, which the stats page shows.
#define HAKMEM_LATENCIES(ROW)                                                     \
  ROW(refill, "an empty stack got blocks: from slabs, the pool or the system")   \
  ROW(flush, "a full stack gave blocks back to slabs")                           \
  ROW(mail, "a thread took its inbox of remote frees")                           \
  ROW(tick, "deferred work of a thread: mail out, stacks, kept slabs")           \
  ROW(upkeep, "decay in passing: EMPTY slots, holes, huge blocks, parked caches") \
  ROW(acquire, "the pool was asked for a slab")                                  \
  ROW(growth, "the system was asked for more SuperSlabs")                        \
  ROW(purge, "pages of EMPTY slots of one SuperSlab went back")                  \
  ROW(huge_map, "a huge block got a mapping of its own")          \
  ROW(huge_unmap, "a freed huge block was unmapped at once")

enum class Cause : uint8_t {
#define HAKMEM_CAUSE(name, help) name,
  HAKMEM_LATENCIES(HAKMEM_CAUSE)
#undef HAKMEM_CAUSE
};
#define HAKMEM_ONE(name, help) +1
inline constexpr uint32_t kCauses = 0 HAKMEM_LATENCIES(HAKMEM_ONE);
#undef HAKMEM_ONE

// Bucket i: from 2^i nanoseconds to below 2^(i + 1); the last one: 2 seconds and more.
inline constexpr uint32_t kLatencyBuckets = 32;

struct Latency {
  // sync: none, statistics.
  std::atomic<uint64_t> buckets[kLatencyBuckets];
  std::atomic<uint64_t> total_ns;
  std::atomic<uint64_t> longest_ns;
};

// A cache line of its own: each slow path reads it, and nearly nobody writes it.
struct alignas(64) LatencyWatch {
  // sync: none. A slow path that sees it late is timed, or not.
  std::atomic<bool> on{false};
};
inline constinit LatencyWatch g_latency_watch;

const Latency& latency_of(Cause cause);
// By one thread at a time.
void watch_latency(bool on);

uint64_t latency_clock_ns();
[[gnu::cold]] void note_latency(Cause cause, uint64_t begin_ns);

// From here to the end of its scope.
class Stopwatch {
 public:
  explicit Stopwatch(Cause cause) : cause_(cause) {
    // relaxed: see there.
    if (g_latency_watch.on.load(std::memory_order_relaxed)) [[unlikely]] begin_ns_ = latency_clock_ns();
  }
  ~Stopwatch() {
    if (begin_ns_ != 0) [[unlikely]] note_latency(cause_, begin_ns_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  uint64_t begin_ns_ = 0;
  Cause cause_;
};

// The same around a call that is most of its function: two instructions while nobody watches.
template <typename Call>
[[gnu::cold, gnu::noinline]] auto timed_slow(Cause cause, Call call) {
  const Stopwatch stopwatch(cause);
  return call();
}

template <typename Call>
[[gnu::always_inline]] inline auto timed(Cause cause, Call call) {
  // relaxed: as in a Stopwatch.
  if (g_latency_watch.on.load(std::memory_order_relaxed)) [[unlikely]] return timed_slow(cause, call);
  return call();
}

}  // namespace hakmem::os
