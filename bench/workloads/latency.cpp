// latency: how long single calls take, and what the slowest of them met.
//
// A walk as random_mixed's, from empty: slot r % slots; a full slot is freed, an empty one filled,
// seven times of eight with 16..1039 bytes, else with 1..257 KiB; the first byte is written after
// the clock has stopped. `growth` is the first 2 x slots cycles, in which the heap becomes what it
// then is in the steady state, with half of the slots full. A thousand pairs before it, untimed,
// wake the allocator up.
//
// Each call is timed alone by the processor's counter. A pair of reads with nothing between them
// takes clock_ns, which is subtracted from each call. Percentiles are the upper ends of histogram
// buckets 1/32 wide; worst is exact. All in nanoseconds. In each cycle nothing at all is timed as
// well: nothing_p9999_ns and nothing_worst_ns are what interrupts, the scheduler and a hypervisor
// cost on this machine, and an allocator's tail that is no longer cannot be told from them.
//
// Causes (`causes`, which is the default; `plain` leaves them out): the same walk is done once more
// before the timed one, in a forked child, with getrusage(RUSAGE_THREAD) around each call. A tail
// is all calls of that walk that were as slow as its own p99.99 or slower. Of them, tail_switched
// is how many the scheduler interrupted; of the others, tail_faults is how many took a page fault;
// tail_neither is the rest: the allocator's own work, system calls that fault nothing (munmap,
// madvise), interrupts, and what a hypervisor took. Hence it is an upper bound of the allocator's
// part, and the counts explain the kind of the slow calls, not the very calls of the timed walk.
//
// ops  cycles; seconds is the timed walk's time, reads of the clock included.
// Adds clock_ns, nothing_{p9999,worst}_ns, {growth,steady}_{malloc,free}_{p50,p99,p999,p9999,
// worst}_ns, and with causes {growth,steady}_{malloc,free}_tail_{switched,faults,neither}.
#include <sys/resource.h>
#include <sys/wait.h>

#include "cycle_clock.h"
#include "harness.h"
#include "histogram.h"

namespace {

constexpr const char* kUsage =
    "usage: latency [cycles=4000000] [slots=200000] [causes|plain] [seed=42]";
constexpr unsigned kWarmUpPairs = 1000;
constexpr std::uint64_t kGrowthCyclesPerSlot = 2;
constexpr std::uint32_t kBlocksPerLarge = 8;
constexpr std::size_t kSmallMin = 16;
constexpr std::size_t kSmallMax = 1039;
constexpr std::size_t kLargeMin = std::size_t{1} << 10;
constexpr std::size_t kLargeMax = std::size_t{257} << 10;

// The slowest call of ten thousand.
constexpr double kTailShare = 0.9999;

enum Phase : unsigned { kGrowth, kSteady, kPhases };
enum Call : unsigned { kMalloc, kFree, kCalls };
enum Cause : unsigned { kSwitched, kFaults, kNeither, kCauses };
constexpr const char* kPhaseNames[] = {"growth", "steady"};
constexpr const char* kCallNames[] = {"malloc", "free"};
constexpr const char* kCauseNames[] = {"switched", "faults", "neither"};

struct Durations {
  bench::Histogram of[kPhases][kCalls];
  bench::Histogram nothing;
};
struct CauseDurations {
  Durations by[kCauses];
};

struct Workload {
  std::uint64_t cycles;
  std::uint32_t slots;
  std::uint32_t seed;
};

// What the timed walk does around a call: nothing but the clock.
class Timed {
 public:
  Timed(Durations& durations, std::uint64_t pair_ticks)
      : durations_(durations), pair_ticks_(pair_ticks) {}

  template <class Body>
  void call(Phase phase, Call call, Body body) {
    time(durations_.of[phase][call], body);
  }
  void nothing() {
    time(durations_.nothing, [] {});
  }

 private:
  template <class Body>
  void time(bench::Histogram& histogram, Body body) {
    const std::uint64_t start = bench::CycleClock::start();
    body();
    const std::uint64_t ticks = bench::CycleClock::stop() - start;
    histogram.add(ticks > pair_ticks_ ? ticks - pair_ticks_ : 0);
  }

  Durations& durations_;
  std::uint64_t pair_ticks_;
};

// What the walk for the causes does: two system calls more.
class Explained {
 public:
  Explained(CauseDurations& durations, std::uint64_t pair_ticks)
      : durations_(durations), pair_ticks_(pair_ticks) {}

  template <class Body>
  void call(Phase phase, Call call, Body body) {
    rusage before;
    rusage after;
    getrusage(RUSAGE_THREAD, &before);
    const std::uint64_t start = bench::CycleClock::start();
    body();
    const std::uint64_t ticks = bench::CycleClock::stop() - start;
    getrusage(RUSAGE_THREAD, &after);
    durations_.by[cause(before, after)].of[phase][call].add(
        ticks > pair_ticks_ ? ticks - pair_ticks_ : 0);
  }
  void nothing() {}

 private:
  static Cause cause(const rusage& before, const rusage& after) {
    if (after.ru_nivcsw != before.ru_nivcsw || after.ru_nvcsw != before.ru_nvcsw) return kSwitched;
    if (after.ru_minflt != before.ru_minflt || after.ru_majflt != before.ru_majflt) return kFaults;
    return kNeither;
  }

  CauseDurations& durations_;
  std::uint64_t pair_ticks_;
};

std::size_t block_bytes(bench::Xorshift32& random) {
  const bool is_large = random.next() % kBlocksPerLarge == 0;
  return is_large ? random.between(kLargeMin, kLargeMax) : random.between(kSmallMin, kSmallMax);
}

template <class Watch>
[[gnu::noinline]] void walk(Phase phase, std::uint64_t cycles, void** slots, std::uint32_t count,
                            bench::Xorshift32& random, Watch& watch) {
  for (std::uint64_t i = 0; i < cycles; ++i) {
    watch.nothing();
    void*& slot = slots[random.next() % count];
    if (slot != nullptr) {
      watch.call(phase, kFree, [&] { std::free(slot); });
      slot = nullptr;
      continue;
    }
    const std::size_t bytes = block_bytes(random);
    watch.call(phase, kMalloc, [&] { slot = std::malloc(bytes); });
    if (slot == nullptr) bench::die(1, "malloc returned NULL");
    *static_cast<volatile char*>(slot) = 1;
  }
}

// Returns the seconds of both phases.
template <class Watch>
double walk_both(const Workload& workload, Watch watch) {
  bench::MappedArray<void*> slots(workload.slots);
  // Its pages are there before the walk: a fault of the harness's cools the caches all the same.
  std::memset(slots.data(), 0, workload.slots * sizeof(void*));
  for (unsigned i = 0; i < kWarmUpPairs; ++i) std::free(bench::allocate(kSmallMin + i));
  bench::Xorshift32 random(workload.seed);
  const std::uint64_t whole_growth = kGrowthCyclesPerSlot * workload.slots;
  const std::uint64_t growth = workload.cycles < whole_growth ? workload.cycles : whole_growth;
  const double start = bench::now_seconds();
  walk(kGrowth, growth, slots.data(), workload.slots, random, watch);
  walk(kSteady, workload.cycles - growth, slots.data(), workload.slots, random, watch);
  const double seconds = bench::now_seconds() - start;
  for (std::uint32_t i = 0; i < workload.slots; ++i) std::free(slots[i]);
  return seconds;
}

// In a child, so that the timed walk, too, begins with an allocator that has done nothing yet.
void explain_in_child(const Workload& workload, CauseDurations& durations,
                      std::uint64_t pair_ticks) {
  const pid_t child = fork();
  if (child < 0) bench::die(1, "fork failed");
  if (child == 0) {
    walk_both(workload, Explained(durations, pair_ticks));
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0)
    bench::die(1, "the walk for causes failed");
}

// Members of the result line, appended on the stack.
class Members {
 public:
  [[gnu::format(printf, 2, 3)]] void add(const char* format, ...) {
    std::va_list list;
    va_start(list, format);
    const int length = std::vsnprintf(text_ + used_, sizeof text_ - used_, format, list);
    va_end(list);
    if (length < 0 || used_ + static_cast<std::size_t>(length) >= sizeof text_) {
      bench::die(1, "too many members");
    }
    used_ += static_cast<std::size_t>(length);
  }
  const char* text() const { return text_; }

 private:
  char text_[2048] = "";
  std::size_t used_ = 0;
};

void add_percentiles(Members& members, const Durations& durations, double ns_per_tick) {
  constexpr struct {
    const char* name;
    double share;
  } kPercentiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", kTailShare}};
  for (unsigned phase = 0; phase < kPhases; ++phase) {
    for (unsigned call = 0; call < kCalls; ++call) {
      const bench::Histogram& histogram = durations.of[phase][call];
      const char* names[] = {kPhaseNames[phase], kCallNames[call]};
      for (const auto& percentile : kPercentiles) {
        members.add(", \"%s_%s_%s_ns\": %.0f", names[0], names[1], percentile.name,
                    static_cast<double>(histogram.at_most(percentile.share)) * ns_per_tick);
      }
      members.add(", \"%s_%s_worst_ns\": %.0f", names[0], names[1],
                  static_cast<double>(histogram.worst()) * ns_per_tick);
    }
  }
}

// Where the slowest ten-thousandth begins, whatever the cause.
std::uint64_t tail_ticks(const CauseDurations& durations, unsigned phase, unsigned call) {
  bench::Histogram all{};
  for (const Durations& by : durations.by) all.add_all(by.of[phase][call]);
  return all.at_most(kTailShare);
}

void add_causes(Members& members, const CauseDurations& durations) {
  for (unsigned phase = 0; phase < kPhases; ++phase) {
    for (unsigned call = 0; call < kCalls; ++call) {
      const std::uint64_t tail = tail_ticks(durations, phase, call);
      for (unsigned cause = 0; cause < kCauses; ++cause) {
        members.add(
            ", \"%s_%s_tail_%s\": %llu", kPhaseNames[phase], kCallNames[call], kCauseNames[cause],
            static_cast<unsigned long long>(durations.by[cause].of[phase][call].count_from(tail)));
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(4);
  Workload workload{};
  workload.cycles = arguments.number(1, 4'000'000, 1, UINT32_MAX);
  workload.slots = static_cast<std::uint32_t>(arguments.number(2, 200'000, 1, 1u << 26));
  const bool plain = arguments.chooses_second(3, "causes", "plain");
  workload.seed = static_cast<std::uint32_t>(arguments.number(4, 42, 1, UINT32_MAX));

  bench::CycleClock clock;
  // Shared with the child; mapped, like all memory of the harness.
  void* memory = mmap(nullptr, sizeof(CauseDurations), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) bench::die(1, "mmap failed");
  CauseDurations& causes = *static_cast<CauseDurations*>(memory);
  if (!plain) explain_in_child(workload, causes, clock.pair_ticks());

  static Durations durations;
  const double seconds = walk_both(workload, Timed(durations, clock.pair_ticks()));
  clock.calibrate_end();
  Members members;
  members.add(", \"clock_ns\": %.1f",
              static_cast<double>(clock.pair_ticks()) * clock.ns_per_tick());
  members.add(", \"nothing_p9999_ns\": %.0f, \"nothing_worst_ns\": %.0f",
              static_cast<double>(durations.nothing.at_most(kTailShare)) * clock.ns_per_tick(),
              static_cast<double>(durations.nothing.worst()) * clock.ns_per_tick());
  add_percentiles(members, durations, clock.ns_per_tick());
  if (!plain) add_causes(members, causes);
  bench::report(arguments,
                {.name = "latency", .ops = workload.cycles, .seconds = seconds, .threads = 1}, "%s",
                members.text());
}
