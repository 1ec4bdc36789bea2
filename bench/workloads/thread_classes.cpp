// thread_classes: many threads that each hold a few blocks of every size.
//
// 64 threads x 40 sizes x 4 live blocks, every page touched; all wait while the main thread reads
// the RSS. What the RSS exceeds the live bytes by is what slabs, caches and rounding cost per
// thread and class. The sizes: 16..128 by 16, then four per doubling up to 32 KiB, together 51.9
// MiB.
//
// ops  blocks that are live; seconds is from the first start to the moment all are.
// Adds live_bytes (as requested), live_rss_kib.
#include "harness.h"

namespace {

constexpr const char* kUsage = "usage: thread_classes [threads=64] [blocks=4]";
constexpr unsigned kSizes = 40;
constexpr unsigned kLinearSizes = 8;
constexpr unsigned kSizesPerDoubling = 4;
constexpr std::size_t kLinearStepBytes = 16;
constexpr unsigned kBlocksMax = 64;

constexpr std::size_t size_at(unsigned index) {
  if (index < kLinearSizes) return (index + 1) * kLinearStepBytes;
  const unsigned above = index - kLinearSizes;
  const std::size_t base = (kLinearSizes * kLinearStepBytes) << (above / kSizesPerDoubling);
  return base + base / kSizesPerDoubling * (above % kSizesPerDoubling + 1);
}
static_assert(size_at(0) == 16 && size_at(7) == 128 && size_at(8) == 160);
static_assert(size_at(kSizes - 1) == 32 * 1024);

void hold_blocks(unsigned blocks_per_size, bench::Barrier& all_live, bench::Barrier& measured) {
  void* blocks[kSizes * kBlocksMax];
  unsigned count = 0;
  for (unsigned i = 0; i < kSizes; ++i) {
    for (unsigned k = 0; k < blocks_per_size; ++k) {
      void* block = bench::allocate(size_at(i));
      bench::touch_pages(block, 0, size_at(i));
      blocks[count++] = block;
    }
  }
  all_live.wait();
  measured.wait();
  for (unsigned i = 0; i < count; ++i) std::free(blocks[i]);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(2);
  const unsigned threads = static_cast<unsigned>(arguments.number(1, 64, 1, 4096));
  const unsigned blocks = static_cast<unsigned>(arguments.number(2, 4, 1, kBlocksMax));

  std::uint64_t live_bytes = 0;
  for (unsigned i = 0; i < kSizes; ++i) live_bytes += std::uint64_t{threads} * blocks * size_at(i);

  bench::Barrier all_live(threads + 1);
  bench::Barrier measured(threads + 1);
  auto body = [&](unsigned) { hold_blocks(blocks, all_live, measured); };
  const double start = bench::now_seconds();
  double seconds = 0;
  long live_rss_kib = 0;
  {
    bench::Threads started(threads, body);
    all_live.wait();
    seconds = bench::now_seconds() - start;
    live_rss_kib = bench::rss_kib();
    measured.wait();
  }
  bench::report(arguments,
                {.name = "thread_classes",
                 .ops = std::uint64_t{threads} * kSizes * blocks,
                 .seconds = seconds,
                 .threads = threads},
                ", \"live_bytes\": %llu, \"live_rss_kib\": %ld",
                static_cast<unsigned long long>(live_bytes), live_rss_kib);
}
