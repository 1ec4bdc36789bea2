// calloc: zeroed blocks that are used and come back dirty.
//
// A window of 64 live blocks: the oldest is freed, a new one taken with calloc. Each page is read,
// must be zero, and is written, so that an allocator which hands out used memory unzeroed ends the
// run.
//
// ops  callocs; each has its free.
#include "harness.h"

namespace {

constexpr const char* kUsage = "usage: calloc [ops=5000000] [size=256]";
constexpr std::uint64_t kWarmUpOps = 10'000;
constexpr std::size_t kWindow = 64;

void* take_zeroed(std::size_t bytes) {
  // One element of `bytes` would leave out the multiplication; both arguments are used.
  void* block = std::calloc(bytes / 2, 2);
  if (block == nullptr) bench::die(1, "calloc returned NULL");
  volatile char* contents = static_cast<volatile char*>(block);
  int seen = contents[bytes - 1];
  for (std::size_t at = 0; at < bytes; at += bench::kTouchStrideBytes) seen |= contents[at];
  if (seen != 0) bench::die(1, "calloc returned memory that is not zero");
  bench::touch_pages(block, 0, bytes);
  return block;
}

[[gnu::noinline]] void run(std::uint64_t ops, std::size_t bytes, void** window) {
  for (std::uint64_t i = 0; i < ops; ++i) {
    void*& slot = window[i % kWindow];
    std::free(slot);
    slot = take_zeroed(bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(2);
  const std::uint64_t ops = arguments.number(1, 5'000'000, 1, UINT64_MAX);
  const std::size_t bytes = arguments.number(2, 256, 2, 1u << 30) & ~std::size_t{1};

  void* window[kWindow] = {};
  run(ops < kWarmUpOps ? ops : kWarmUpOps, bytes, window);
  const double start = bench::now_seconds();
  run(ops, bytes, window);
  const double seconds = bench::now_seconds() - start;
  for (void* block : window) std::free(block);
  bench::report(arguments, {.name = "calloc", .ops = ops, .seconds = seconds, .threads = 1}, "%s",
                "");
}
