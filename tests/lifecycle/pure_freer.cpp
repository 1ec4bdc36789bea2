// Four threads allocate, one that never does frees it all: what it sends home is found again, so
// memory stays near what is alive.
#include <atomic>
#include <pthread.h>

#include "support/program.h"

namespace {

constexpr int kProducers = 4;
constexpr size_t kQueue = 4096;           // of each producer
constexpr long kBlocks = 1000 * 1000;     // of each producer, in the tests
constexpr size_t kBlockBytes = 2048;

struct Queue {
  alignas(64) std::atomic<size_t> head{0};
  alignas(64) std::atomic<size_t> tail{0};
  void* blocks[kQueue];
};
Queue queues[kProducers];
std::atomic<int> running{kProducers};
size_t blocks_each = 0;

void* produce(void* argument) {
  Queue& queue = *static_cast<Queue*>(argument);
  for (size_t i = 0; i < blocks_each; ++i) {
    void* block = malloc(kBlockBytes);
    memset(block, 1, 64);
    static_cast<char*>(block)[kBlockBytes - 1] = 1;
    while (i - queue.tail.load(std::memory_order_acquire) == kQueue) sched_yield();
    queue.blocks[i % kQueue] = block;
    queue.head.store(i + 1, std::memory_order_release);
  }
  running.fetch_sub(1);
  return nullptr;
}

// Frees what there is; true when there was something.
bool empty(Queue& queue) {
  const size_t head = queue.head.load(std::memory_order_acquire);
  const size_t tail = queue.tail.load(std::memory_order_relaxed);
  for (size_t i = tail; i < head; ++i) free(queue.blocks[i % kQueue]);
  queue.tail.store(head, std::memory_order_release);
  return head != tail;
}

}  // namespace

int main() {
  begin(40);
  blocks_each = static_cast<size_t>(how_many(kBlocks));
  const size_t before = resident_bytes();
  pthread_t producers[kProducers];
  for (int i = 0; i < kProducers; ++i) {
    REQUIRE(pthread_create(&producers[i], nullptr, produce, &queues[i]) == 0);
  }
  bool any = true;
  while (any || running.load() != 0) {
    any = false;
    for (Queue& queue : queues) any |= empty(queue);
    if (!any) sched_yield();
  }
  for (pthread_t thread : producers) pthread_join(thread, nullptr);
  const size_t live_at_most = kProducers * kQueue * kBlockBytes;
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const size_t peak = static_cast<size_t>(usage.ru_maxrss) * KIB - before;
  if (peak > live_at_most * 13 / 10 + 4 * MIB) {
    char line[100];
    snprintf(line, sizeof line, "peak of %zu KiB for at most %zu KiB live", peak / KIB,
             live_at_most / KIB);
    say_failure(__FILE__, __LINE__, line);
    ++program_failures;
  }
  return finish();
}
