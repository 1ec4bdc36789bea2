// buffers: the program whose large buffers come and go, each written from end to end, as arrays of a
// computation or the images of a decoder.
//
// One cycle draws r. Buffer r % ws is freed and another of a random size between min and max takes its
// place; one word of each of its pages is written.
//
// ops  cycles of all threads; each is one free and one malloc.
#include "harness.h"

namespace {

constexpr const char* kUsage =
    "usage: buffers [cycles=4000] [ws=8] [min_kib=256] [max_kib=16384] [threads=1]";
constexpr std::uint32_t kSeed = 42;
constexpr std::uint64_t kWarmUpRounds = 8;  // of all buffers
constexpr std::size_t kKib = 1024;

struct Workload {
  std::uint64_t cycles;
  std::uint32_t buffers;
  std::uint32_t min_bytes;
  std::uint32_t max_bytes;
};

void run(const Workload& workload, std::uint64_t cycles, void** buffers, bench::Xorshift32& random) {
  for (std::uint64_t i = 0; i < cycles; ++i) {
    void*& buffer = buffers[random.next() % workload.buffers];
    std::free(buffer);
    const std::size_t bytes = random.between(workload.min_bytes, workload.max_bytes);
    buffer = bench::allocate(bytes);
    bench::touch_pages(buffer, 0, bytes);
  }
}

bench::Span run_thread(const Workload& workload, unsigned index, bench::Barrier& start_line) {
  bench::MappedArray<void*> buffers(workload.buffers);
  bench::Xorshift32 random(kSeed + index);
  run(workload, workload.buffers * kWarmUpRounds, buffers.data(), random);

  start_line.wait();
  bench::Span span;
  span.start = bench::now_seconds();
  run(workload, workload.cycles, buffers.data(), random);
  span.stop = bench::now_seconds();

  for (std::uint32_t i = 0; i < workload.buffers; ++i) std::free(buffers[i]);
  return span;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(5);
  Workload workload{};
  workload.cycles = arguments.number(1, 4000, 1, UINT64_MAX);
  workload.buffers = static_cast<std::uint32_t>(arguments.number(2, 8, 1, 1u << 20));
  workload.min_bytes = static_cast<std::uint32_t>(arguments.number(3, 256, 1, 1u << 20) * kKib);
  workload.max_bytes = static_cast<std::uint32_t>(arguments.number(4, 16384, 1, 1u << 20) * kKib);
  if (workload.min_bytes > workload.max_bytes) bench::die(2, kUsage);
  const unsigned threads = static_cast<unsigned>(arguments.number(5, 1, 1, 4096));

  const double seconds = bench::seconds_together(threads, [&](unsigned index, bench::Barrier& start_line) {
    return run_thread(workload, index, start_line);
  });
  bench::report(arguments,
                {.name = "buffers",
                 .ops = workload.cycles * threads,
                 .seconds = seconds,
                 .threads = threads},
                "%s", "");
}
