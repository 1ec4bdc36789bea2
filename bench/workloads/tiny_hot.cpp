// tiny_hot: the shortest way through malloc and free, one size only.
//
// `batch` blocks of `size` bytes are allocated (first byte written) and then freed in the same
// order; batch 1 is malloc, free, malloc, free. The suite's three rows: 16 B x 1, 64 B x 100, 512 B
// x 1000.
//
// ops  mallocs and frees.
#include "harness.h"

namespace {

constexpr const char* kUsage = "usage: tiny_hot [pairs=20000000] [size=16] [batch=1]";
constexpr std::uint64_t kWarmUpPairs = 100'000;
constexpr std::size_t kBatchMax = 100'000;

[[gnu::noinline]] void run_pairs(std::uint64_t pairs, std::size_t bytes) {
  for (std::uint64_t i = 0; i < pairs; ++i) std::free(bench::allocate(bytes));
}

[[gnu::noinline]] void run_batches(std::uint64_t batches, std::size_t bytes, std::size_t batch,
                                   void** blocks) {
  for (std::uint64_t i = 0; i < batches; ++i) {
    for (std::size_t k = 0; k < batch; ++k) blocks[k] = bench::allocate(bytes);
    for (std::size_t k = 0; k < batch; ++k) std::free(blocks[k]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(3);
  const std::uint64_t pairs = arguments.number(1, 20'000'000, 1, UINT64_MAX / 2);
  const std::size_t bytes = arguments.number(2, 16, 1, 1u << 30);
  const std::size_t batch = arguments.number(3, 1, 1, kBatchMax);

  bench::MappedArray<void*> blocks(batch);
  const std::uint64_t batches = (pairs + batch - 1) / batch;
  auto run = [&](std::uint64_t count) {
    if (batch == 1) {
      run_pairs(count, bytes);
    } else {
      run_batches(count, bytes, batch, blocks.data());
    }
  };
  run((kWarmUpPairs + batch - 1) / batch);
  const double start = bench::now_seconds();
  run(batches);
  const double seconds = bench::now_seconds() - start;
  bench::report(arguments,
                {.name = "tiny_hot", .ops = 2 * batches * batch, .seconds = seconds, .threads = 1},
                "%s", "");
}
