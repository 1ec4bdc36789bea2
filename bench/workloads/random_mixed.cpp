// random_mixed: the program whose live blocks are a random walk over a slot array.
//
// One cycle draws r. Slot r % ws: a full slot is freed, an empty one gets a block of 16 + (r &
// 0x3ff) bytes or, when min and max are given and not both 0, of a second draw's size; its first
// byte is written. About half of the slots are full in the steady state. With several threads each
// has its own slots and seed + i.
//
// The suite's mid_mt_gap is 1024 8192 with ws 256, mid_large 8192 40960 with ws 256, large 32768
// 2097152 with ws 64.
//
// ops  cycles of all threads; each is one malloc or one free.
#include "harness.h"

namespace {

constexpr const char* kUsage =
    "usage: random_mixed [cycles=10000000] [ws=8192] [seed=1234567] [min max] [threads=1]";
// Two cycles per slot reach the steady state; the floor brings page faults and one-time set-up of
// small working sets out of the timed part, the ceiling keeps the warm-up of huge ones short.
constexpr std::uint64_t kWarmUpCyclesMin = 100'000;
constexpr std::uint64_t kWarmUpCyclesMax = 4'000'000;

struct Workload {
  std::uint64_t cycles;
  std::uint32_t slot_count;
  std::uint32_t seed;
  bool has_range;
  std::size_t min_bytes;
  std::size_t max_bytes;
};

template <bool kHasRange>
[[gnu::noinline]] void run_cycles(const Workload& workload, std::uint64_t cycles, void** slots,
                                  bench::Xorshift32& random) {
  const std::uint32_t slot_count = workload.slot_count;
  for (std::uint64_t i = 0; i < cycles; ++i) {
    const std::uint32_t r = random.next();
    void*& slot = slots[r % slot_count];
    if (slot != nullptr) {
      std::free(slot);
      slot = nullptr;
    } else if constexpr (kHasRange) {
      slot = bench::allocate(random.between(workload.min_bytes, workload.max_bytes));
    } else {
      slot = bench::allocate(16 + (r & 0x3ff));
    }
  }
}

void run(const Workload& workload, std::uint64_t cycles, void** slots, bench::Xorshift32& random) {
  if (workload.has_range) {
    run_cycles<true>(workload, cycles, slots, random);
  } else {
    run_cycles<false>(workload, cycles, slots, random);
  }
}

std::uint64_t warm_up_cycles(const Workload& workload) {
  const std::uint64_t wanted = std::uint64_t{2} * workload.slot_count;
  if (wanted < kWarmUpCyclesMin) return kWarmUpCyclesMin;
  return wanted < kWarmUpCyclesMax ? wanted : kWarmUpCyclesMax;
}

bench::Span run_thread(const Workload& workload, unsigned index, bench::Barrier& start_line) {
  bench::MappedArray<void*> slots(workload.slot_count);
  bench::Xorshift32 random(workload.seed + index);
  run(workload, warm_up_cycles(workload), slots.data(), random);

  start_line.wait();
  bench::Span span;
  span.start = bench::now_seconds();
  run(workload, workload.cycles, slots.data(), random);
  span.stop = bench::now_seconds();

  for (std::uint32_t i = 0; i < workload.slot_count; ++i) std::free(slots[i]);
  return span;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(6);
  Workload workload{};
  workload.cycles = arguments.number(1, 10'000'000, 1, UINT64_MAX);
  workload.slot_count = static_cast<std::uint32_t>(arguments.number(2, 8192, 1, 1u << 30));
  workload.seed = static_cast<std::uint32_t>(arguments.number(3, 1234567, 1, UINT32_MAX));
  workload.min_bytes = arguments.number(4, 0, 0, 1u << 30);
  workload.max_bytes = arguments.number(5, 0, 0, 1u << 30);
  workload.has_range = workload.max_bytes != 0;
  // A range that begins at 0 would write the first byte of nothing.
  const bool is_range = workload.min_bytes >= 1 && workload.min_bytes <= workload.max_bytes;
  if ((workload.has_range || workload.min_bytes != 0) && !is_range) bench::die(2, kUsage);
  const unsigned threads = static_cast<unsigned>(arguments.number(6, 1, 1, 4096));

  const double seconds = bench::seconds_together(threads, [&](unsigned index, bench::Barrier& start_line) {
    return run_thread(workload, index, start_line);
  });
  bench::report(arguments,
                {.name = "random_mixed",
                 .ops = workload.cycles * threads,
                 .seconds = seconds,
                 .threads = threads},
                "%s", "");
}
