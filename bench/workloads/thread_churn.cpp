// thread_churn: threads that live for a moment and allocate a little.
//
// In waves of `alive` threads: each allocates `blocks` blocks of 16..1039 bytes, frees them and
// ends; the wave is joined before the next starts. What is measured is what a thread's first malloc
// and its end cost.
//
// ops  threads created and joined.
// Adds start_rss_kib, after the warm-up: the end should not lie above it.
#include "harness.h"

namespace {

constexpr const char* kUsage = "usage: thread_churn [threads=10000] [alive=4] [blocks=100]";
constexpr std::uint64_t kWarmUpWaves = 20;
constexpr std::uint32_t kSeed = 42;
constexpr unsigned kBlocksMax = 10'000;
constexpr std::size_t kBytesMin = 16;
constexpr std::size_t kBytesMax = 1039;

void allocate_some(std::uint32_t seed, unsigned count) {
  void* blocks[kBlocksMax];
  bench::Xorshift32 random(seed);
  for (unsigned i = 0; i < count; ++i) {
    blocks[i] = bench::allocate(random.between(kBytesMin, kBytesMax));
  }
  for (unsigned i = 0; i < count; ++i) std::free(blocks[i]);
}

void run_waves(std::uint64_t waves, unsigned alive, unsigned blocks) {
  auto body = [&](unsigned index) { allocate_some(kSeed + index, blocks); };
  for (std::uint64_t i = 0; i < waves; ++i) bench::Threads wave(alive, body);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(3);
  const std::uint64_t threads = arguments.number(1, 10'000, 1, 1u << 30);
  const unsigned alive = static_cast<unsigned>(arguments.number(2, 4, 1, 1024));
  const unsigned blocks = static_cast<unsigned>(arguments.number(3, 100, 1, kBlocksMax));
  const std::uint64_t waves = (threads + alive - 1) / alive;

  run_waves(kWarmUpWaves, alive, blocks);
  const long start_rss_kib = bench::rss_kib();
  const double start = bench::now_seconds();
  run_waves(waves, alive, blocks);
  const double seconds = bench::now_seconds() - start;
  bench::report(
      arguments,
      {.name = "thread_churn", .ops = waves * alive, .seconds = seconds, .threads = alive},
      ", \"start_rss_kib\": %ld", start_rss_kib);
}
