// give_back: a program grows to a million blocks, frees them all, and is then small again, or not.
//
// Blocks of 16..1039 bytes are allocated and then freed in another order than they came. `trim`
// calls malloc_trim(0); an allocator that has none of its own shows here what it returns unasked
// (trim_from names the owner). `idle` never asks: for three seconds the program does a little,
// every 10 ms 100 blocks.
//
// ops  allocations and frees of the million; seconds is their time, without the trim and the wait.
// Adds trim_from, given_back_percent: share of the peak RSS that is gone at the end.
#include <malloc.h>

#include "harness.h"

namespace {

constexpr const char* kUsage = "usage: give_back [trim|idle] [blocks=1000000] [idle_ms=3000]";
constexpr std::uint32_t kSeed = 42;
constexpr std::size_t kBytesMin = 16;
constexpr std::size_t kBytesMax = 1039;
constexpr std::uint64_t kTickMilliseconds = 10;
constexpr unsigned kBlocksPerTick = 100;
// A prime above every count the arguments allow, so that i * kStride % count visits each block
// once.
constexpr std::uint64_t kStride = 2'147'483'647;
constexpr std::uint64_t kBlocksMax = 100'000'000;
static_assert(kStride > kBlocksMax);

// The pointers are gone from memory when this returns: they are no memory of the allocator's.
double grow_and_free(std::uint64_t count, bench::Xorshift32& random) {
  bench::MappedArray<void*> blocks(count);
  const double start = bench::now_seconds();
  for (std::uint64_t i = 0; i < count; ++i) {
    blocks[i] = bench::allocate(random.between(kBytesMin, kBytesMax));
  }
  for (std::uint64_t i = 0; i < count; ++i) std::free(blocks[i * kStride % count]);
  return bench::now_seconds() - start;
}

void idle(std::uint64_t milliseconds, bench::Xorshift32& random) {
  void* blocks[kBlocksPerTick];
  timespec wake;
  clock_gettime(CLOCK_MONOTONIC, &wake);
  for (std::uint64_t at = 0; at < milliseconds; at += kTickMilliseconds) {
    wake.tv_nsec += static_cast<long>(kTickMilliseconds) * 1'000'000;
    if (wake.tv_nsec >= 1'000'000'000) {
      wake.tv_nsec -= 1'000'000'000;
      ++wake.tv_sec;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);
    for (void*& block : blocks) block = bench::allocate(random.between(kBytesMin, kBytesMax));
    for (void* block : blocks) std::free(block);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(3);
  const bool waits = arguments.chooses_second(1, "trim", "idle");
  const std::uint64_t count = arguments.number(2, 1'000'000, 1, kBlocksMax);
  const std::uint64_t idle_milliseconds = arguments.number(3, 3000, 0, 3'600'000);

  bench::Xorshift32 random(kSeed);
  const double seconds = grow_and_free(count, random);
  if (waits) {
    idle(idle_milliseconds, random);
  } else {
    malloc_trim(0);
  }
  const double peak_kib = static_cast<double>(bench::peak_rss_kib());
  const double end_kib = static_cast<double>(bench::rss_kib());
  bench::report(arguments,
                {.name = "give_back", .ops = 2 * count, .seconds = seconds, .threads = 1},
                ", \"trim_from\": \"%s\", \"given_back_percent\": %.2f",
                bench::base_name(bench::path_of_symbol("malloc_trim")),
                (peak_kib - end_kib) / peak_kib * 100);
}
