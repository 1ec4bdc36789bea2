// Threads that exit while others free their blocks: nothing is lost, nothing is given out twice.
#include <atomic>
#include <pthread.h>

#include "support/program.h"

namespace {

constexpr int kProducers = 1200;
constexpr int kAlive = 4;
constexpr int kConsumers = 2;
constexpr size_t kRing = 4096;
std::atomic<void*> ring[kRing];
std::atomic<bool> done{false};
std::atomic<long> produced{0};
std::atomic<long> consumed{0};

struct Block {
  size_t size;
  Block* self;
};

void put(void* block, uint32_t* random) {
  for (;;) {
    void* expected = nullptr;
    if (ring[next_random(random) % kRing].compare_exchange_strong(expected, block)) return;
  }
}

void* produce(void* argument) {
  uint32_t random = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument)) * 31 + 7;
  for (int i = 0; i < 200; ++i) {
    const size_t size = sizeof(Block) + next_random(&random) % (i % 50 == 0 ? 200000 : 700);
    Block* block = static_cast<Block*>(malloc(size));
    REQUIRE(block != nullptr);
    *block = Block{size, block};
    produced.fetch_add(1);
    put(block, &random);
  }
  return nullptr;
}

void take(size_t place) {
  Block* block = static_cast<Block*>(ring[place].exchange(nullptr));
  if (block == nullptr) return;
  REQUIRE(block->self == block);
  if (place % 16 == 0) {
    const size_t size = block->size;
    block = static_cast<Block*>(realloc(block, size * 2));
    EXPECT(block->size == size);
  }
  block->self = nullptr;
  free(block);
  consumed.fetch_add(1);
}

void* consume(void*) {
  while (!done.load()) {
    for (size_t place = 0; place < kRing; ++place) take(place);
  }
  return nullptr;
}

}  // namespace

int main() {
  begin(40);
  const long count = how_many(kProducers);
  pthread_t consumers[kConsumers];
  for (pthread_t& thread : consumers) {
    REQUIRE(pthread_create(&thread, nullptr, consume, nullptr) == 0);
  }
  pthread_t producers[kAlive];
  size_t quarter = 0;
  for (long i = 0; i < count; ++i) {
    if (i >= kAlive) pthread_join(producers[i % kAlive], nullptr);
    REQUIRE(pthread_create(&producers[i % kAlive], nullptr, produce, reinterpret_cast<void*>(i)) ==
            0);
    if (i == count / 4) quarter = resident_bytes();
  }
  for (pthread_t thread : producers) pthread_join(thread, nullptr);
  done = true;
  for (pthread_t thread : consumers) pthread_join(thread, nullptr);
  for (size_t place = 0; place < kRing; ++place) take(place);
  EXPECT(produced.load() == consumed.load());
  EXPECT(resident_bytes() < quarter + 16 * MIB);
  return finish();
}
