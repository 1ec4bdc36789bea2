// fragment: what is left of a large heap when a few blocks in it survive.
//
// Blocks of one size are allocated, all bytes written, and most are freed in the order they came.
// `runs`: survivors come in runs of 100 neighbours, one run in 20. `single`: one block in 400
// survives, alone. Then the program sleeps: no thread calls malloc or free any more. A second
// thread has used the allocator once and sleeps from then on, as the idle threads of a server do.
//
// There is no warm-up: a young heap that grows is what is measured.
//
// ops  allocations and frees; seconds is their time, without the sleep.
// Adds live_kib (requested bytes of the survivors), freed_rss_kib (right after the frees);
// end_rss_kib is what remains after the sleep.
#include "harness.h"

namespace {

constexpr const char* kUsage =
    "usage: fragment [runs|single] [blocks=2000000] [size=120] [sleep_ms=10000]";
constexpr std::uint64_t kRunBlocks = 100;
constexpr std::uint64_t kRunsPerSurvivor = 20;
constexpr std::uint64_t kBlocksPerSurvivor = 400;
constexpr std::uint64_t kBlocksMax = 100'000'000;
// Enough for each kind of allocator to give the sleeping thread a cache.
constexpr unsigned kSleeperBlocks = 100;

bool survives(bool single, std::uint64_t index) {
  if (single) return index % kBlocksPerSurvivor == 0;
  return index / kRunBlocks % kRunsPerSurvivor == 0;
}

struct Growth {
  double seconds = 0;
  std::uint64_t survivors = 0;
};

// The pointers are gone from memory when this returns: they are no memory of the allocator's.
Growth grow_and_free(bool single, std::uint64_t count, std::size_t bytes) {
  bench::MappedArray<void*> blocks(count);
  Growth growth;
  const double start = bench::now_seconds();
  for (std::uint64_t i = 0; i < count; ++i) {
    blocks[i] = bench::allocate(bytes);
    std::memset(blocks[i], 1, bytes);
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (survives(single, i)) {
      ++growth.survivors;
    } else {
      std::free(blocks[i]);
    }
  }
  growth.seconds = bench::now_seconds() - start;
  return growth;
}

void allocate_a_little(std::size_t bytes) {
  void* blocks[kSleeperBlocks];
  for (void*& block : blocks) block = bench::allocate(bytes);
  for (void* block : blocks) std::free(block);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(4);
  const bool single = arguments.chooses_second(1, "runs", "single");
  const std::uint64_t count = arguments.number(2, 2'000'000, 1, kBlocksMax);
  const std::size_t bytes = arguments.number(3, 120, 1, 1u << 20);
  const std::uint64_t sleep_milliseconds = arguments.number(4, 10'000, 0, 3'600'000);

  bench::Barrier asleep(2);
  bench::Barrier done(2);
  auto sleeper = [&](unsigned) {
    allocate_a_little(bytes);
    asleep.wait();
    done.wait();
  };
  bench::Threads started(1, sleeper);
  asleep.wait();
  const Growth growth = grow_and_free(single, count, bytes);
  const long freed_rss_kib = bench::rss_kib();
  timespec wake = bench::now();
  bench::nap(wake, sleep_milliseconds);
  bench::report(arguments,
                {.name = "fragment",
                 .ops = 2 * count - growth.survivors,
                 .seconds = growth.seconds,
                 .threads = 2},
                ", \"live_kib\": %llu, \"freed_rss_kib\": %ld",
                static_cast<unsigned long long>(growth.survivors * bytes / 1024), freed_rss_kib);
  done.wait();
}
