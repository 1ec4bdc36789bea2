// realloc_grow: one block that keeps growing, as a vector or a read buffer does.
//
// `half` grows by half from 16 B to 64 MiB, `step` by 4 KiB to 256 MiB; each new page is written
// once. After each growth the block's first byte must still be there.
//
// ops  realloc calls.
#include "harness.h"

namespace {

constexpr const char* kUsage = "usage: realloc_grow [half|step] [repeats] [max_mib]";
constexpr std::size_t kFirstBytes = 16;
constexpr std::size_t kStepBytes = 4096;
constexpr std::size_t kMib = 1024 * 1024;

// Grows a new block to max_bytes and frees it. Returns the number of realloc calls.
std::uint64_t grow(bool by_steps, std::size_t max_bytes) {
  std::uint64_t calls = 0;
  std::size_t bytes = kFirstBytes;
  void* block = bench::allocate(bytes);
  while (bytes < max_bytes) {
    std::size_t larger = by_steps ? bytes + kStepBytes : bytes + bytes / 2;
    if (larger > max_bytes) larger = max_bytes;
    block = std::realloc(block, larger);
    if (block == nullptr) bench::die(1, "realloc returned NULL");
    if (*static_cast<volatile char*>(block) != 1) bench::die(1, "realloc lost the contents");
    bench::touch_pages(block, bytes, larger);
    bytes = larger;
    ++calls;
  }
  std::free(block);
  return calls;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(3);
  const bool by_steps = arguments.chooses_second(1, "half", "step");
  const std::uint64_t repeats = arguments.number(2, by_steps ? 1 : 10, 1, 1'000'000);
  const std::size_t max_bytes = arguments.number(3, by_steps ? 256 : 64, 1, 65536) * kMib;

  grow(by_steps,
       kMib);  // warm-up: the small sizes' slabs exist, the large ones are what is measured
  std::uint64_t calls = 0;
  const double start = bench::now_seconds();
  for (std::uint64_t i = 0; i < repeats; ++i) calls += grow(by_steps, max_bytes);
  const double seconds = bench::now_seconds() - start;
  bench::report(arguments, {.name = "realloc_grow", .ops = calls, .seconds = seconds, .threads = 1},
                "%s", "");
}
