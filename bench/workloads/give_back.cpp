// give_back: a program grows to a million blocks, frees all of them or all but a few, and is then
// small.
//
// Blocks of 16..1039 bytes are allocated and then freed in another order than they came; of a
// thousand, the last `kept` stay to the end. What follows is the mode. `trim` calls malloc_trim(0);
// an allocator that has none of its own shows here what it returns unasked (trim_from names the
// owner). `idle` never asks: for three seconds the program does a little, every 10 ms 100 blocks.
// `sleep` does nothing at all in these seconds, and that no call of malloc wakes the allocator is
// the point of it.
//
// There is no warm-up: a young heap that grows is what is measured.
//
// ops  allocations and frees of the million; seconds is their time, without the trim and the wait.
// Adds trim_from, live_kib (requested bytes of the blocks kept), freed_rss_kib (right after the
// frees), given_back_percent: share of the peak RSS that is gone at the end.
#include <malloc.h>

#include "harness.h"

namespace {

constexpr const char* kUsage =
    "usage: give_back [trim|idle|sleep] [blocks=1000000] [ms=3000] [kept=0 of a thousand]";
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

struct Growth {
  double seconds = 0;
  std::uint64_t live_bytes = 0;
};

// The pointers are gone from memory when this returns: they are no memory of the allocator's.
Growth grow_and_free(std::uint64_t count, std::uint64_t freed, bench::Xorshift32& random) {
  bench::MappedArray<void*> blocks(count);
  Growth growth;
  const double start = bench::now_seconds();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t bytes = random.between(kBytesMin, kBytesMax);
    if (i >= freed) growth.live_bytes += bytes;
    blocks[i] = bench::allocate(bytes);
  }
  for (std::uint64_t i = 0; i < freed; ++i) std::free(blocks[i * kStride % freed]);
  growth.seconds = bench::now_seconds() - start;
  return growth;
}

void idle(std::uint64_t milliseconds, bench::Xorshift32& random) {
  void* blocks[kBlocksPerTick];
  timespec wake = bench::now();
  for (std::uint64_t at = 0; at < milliseconds; at += kTickMilliseconds) {
    bench::nap(wake, kTickMilliseconds);
    for (void*& block : blocks) block = bench::allocate(random.between(kBytesMin, kBytesMax));
    for (void* block : blocks) std::free(block);
  }
}

enum Mode : std::size_t { kTrim, kIdle, kSleep };

void come_to_rest(std::size_t mode, std::uint64_t milliseconds, bench::Xorshift32& random) {
  if (mode == kTrim) {
    malloc_trim(0);
  } else if (mode == kIdle) {
    idle(milliseconds, random);
  } else {
    timespec wake = bench::now();
    bench::nap(wake, milliseconds);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(4);
  const std::size_t mode = arguments.choice(1, {"trim", "idle", "sleep"});
  const std::uint64_t count = arguments.number(2, 1'000'000, 1, kBlocksMax);
  const std::uint64_t milliseconds = arguments.number(3, 3000, 0, 3'600'000);
  const std::uint64_t freed = count - count * arguments.number(4, 0, 0, 999) / 1000;

  bench::Xorshift32 random(kSeed);
  const Growth growth = grow_and_free(count, freed, random);
  const long freed_rss_kib = bench::rss_kib();
  come_to_rest(mode, milliseconds, random);
  const double peak_kib = static_cast<double>(bench::peak_rss_kib());
  const double end_kib = static_cast<double>(bench::rss_kib());
  bench::report(
      arguments,
      {.name = "give_back", .ops = count + freed, .seconds = growth.seconds, .threads = 1},
      ", \"trim_from\": \"%s\", \"live_kib\": %llu, \"freed_rss_kib\": %ld, "
      "\"given_back_percent\": %.2f",
      bench::base_name(bench::path_of_symbol("malloc_trim")),
      static_cast<unsigned long long>(growth.live_bytes / 1024), freed_rss_kib,
      (peak_kib - end_kib) / peak_kib * 100);
}
