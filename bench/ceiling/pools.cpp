#include "pools.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

namespace hakmem::benchfast {

constinit uintptr_t g_base = kNoBase;
constinit thread_local Block* t_free[kClasses] = {};

namespace {

constexpr size_t kBlocksDefault = 10'000;
constexpr size_t kBlocksMax = 100'000'000;
constexpr size_t kPageBytes = 4096;
constexpr int kExitInvalid = 70;  // EX_SOFTWARE of sysexits.h; no workload uses it

enum class Phase : uint32_t { kNotStarted, kStarting, kReady };

// The guard. Written by the thread that runs the constructor, read by every thread whose list is
// empty; what was written before "ready" is read after it. Pair: ready.
constinit std::atomic<Phase> g_phase{Phase::kNotStarted};

size_t g_blocks = kBlocksDefault;
// Bytes given out so far. Every thread adds; nothing is read through it. Pair: none.
constinit std::atomic<size_t> g_used[kClasses] = {};
constinit thread_local bool t_laid_out[kClasses] = {};

// stdio would allocate.
[[noreturn, gnu::cold, gnu::format(printf, 1, 2)]] void give_up(const char* format, ...) {
  char text[256];
  va_list list;
  va_start(list, format);
  const int length = vsnprintf(text, sizeof text, format, list);
  va_end(list);
  const size_t bytes = length < 0 ? 0 : static_cast<size_t>(length);
  // Nothing can be done about a stderr that takes no line: the status says it again.
  [[maybe_unused]] const ssize_t ignored =
      write(STDERR_FILENO, text, bytes < sizeof text ? bytes : sizeof text - 1);
  _exit(kExitInvalid);
}

size_t wanted_blocks() {
  const char* text = getenv("HAKMEM_BENCH_FAST_BLOCKS");
  if (text == nullptr) return kBlocksDefault;
  char* end = nullptr;
  const unsigned long long blocks = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || blocks == 0 || blocks > kBlocksMax) {
    give_up("benchfast: HAKMEM_BENCH_FAST_BLOCKS=%s: not a number from 1 to %zu\n", text,
            kBlocksMax);
  }
  return blocks;
}

[[gnu::constructor]] void start() {
  Phase before = Phase::kNotStarted;
  // sync: ready. Nobody may be past this point already.
  if (!g_phase.compare_exchange_strong(before, Phase::kStarting, std::memory_order_acq_rel)) return;
  g_blocks = wanted_blocks();
  void* memory = mmap(nullptr, kAllRegionsBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    give_up("benchfast: %zu GiB of address space cannot be had\n", kAllRegionsBytes >> 30);
  }
  g_base = reinterpret_cast<uintptr_t>(memory);
  g_phase.store(Phase::kReady, std::memory_order_release);  // sync: ready
}

size_t blocks_of(size_t block_size) {
  const size_t fitting = kPoolBytesMax / block_size;
  return g_blocks < fitting ? g_blocks : fitting;
}

Block* lay_out(uint32_t size_class) {
  const size_t block_size = class_block_bytes(size_class);
  const size_t blocks = blocks_of(block_size);
  if (t_laid_out[size_class]) {
    give_up("benchfast: all %zu blocks of %zu bytes are gone: this run does not count\n", blocks,
            block_size);
  }
  t_laid_out[size_class] = true;
  const size_t bytes = round_up(blocks * block_size, kPageBytes);
  // relaxed: the sum alone matters, each thread gets a part of its own.
  const size_t offset = g_used[size_class].fetch_add(bytes, std::memory_order_relaxed);
  if (offset + bytes > kRegionBytes) {
    give_up("benchfast: too many threads for %zu blocks of %zu bytes each\n", blocks, block_size);
  }
  const uintptr_t first = g_base + size_class * kRegionBytes + offset;
  Block* list = nullptr;
  // From the last to the first, so that blocks are handed out in the order of their addresses.
  for (size_t i = blocks; i-- > 0;) {
    Block* block = reinterpret_cast<Block*>(first + i * block_size);
    block->next = list;
    list = block;
  }
  return list;
}

}  // namespace

void* allocate_slow(size_t size) {
  if (size > kLargeMax) return nullptr;
  if (g_phase.load(std::memory_order_acquire) != Phase::kReady) return nullptr;  // sync: ready
  const uint32_t size_class = class_of(size).count();
  t_free[size_class] = lay_out(size_class);
  return pop(size_class);
}

}  // namespace hakmem::benchfast
