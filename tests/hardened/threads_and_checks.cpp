// Sound programs are not accused: threads that hand blocks to each other, write all of each, change their
// sizes, leave, and are followed by others; children of fork go on with what they inherit.
#include <pthread.h>

#include <atomic>

#include "support/program.h"

namespace {

constexpr int kThreads = 4;
constexpr int kShared = 512;
constexpr int kTurns = 30000;

struct Shared {
  std::atomic<void*> place{nullptr};
};
Shared shared[kShared];

size_t any_size(uint32_t* random) {
  const uint32_t r = next_random(random);
  switch (r % 16) {
    case 0:
      return r / 16 % (40 * KIB);
    case 1:
      return r % 256 == 1 ? r / 256 % (3 * MIB) : r / 256 % 3000;
    default:
      return r / 16 % 1100;
  }
}

void* work(void* argument) {
  uint32_t random = 77 + static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument));
  for (int turn = 0; turn < kTurns; ++turn) {
    const size_t size = any_size(&random) + 8;
    char* block = static_cast<char*>(turn % 3 == 0 ? calloc(1, size) : malloc(size));
    REQUIRE(block != nullptr);
    memset(block, turn, size);
    if (turn % 7 == 0) {
      const size_t other = any_size(&random) + 8;
      block = static_cast<char*>(realloc(block, other));
      memset(block, turn, other);
    }
    free(shared[next_random(&random) % kShared].place.exchange(block));
  }
  return nullptr;
}

int work_in_child(void*) {
  work(reinterpret_cast<void*>(uintptr_t{99}));
  for (Shared& one : shared) free(one.place.exchange(nullptr));
  return finish();
}

}  // namespace

int main() {
  begin(100);
  for (int generation = 0; generation < 3; ++generation) {
    pthread_t threads[kThreads];
    for (int i = 0; i < kThreads; ++i) {
      const uintptr_t seed = static_cast<uintptr_t>(generation * kThreads + i);
      REQUIRE(pthread_create(&threads[i], nullptr, work, reinterpret_cast<void*>(seed)) == 0);
    }
    // While they work.
    for (int i = 0; i < 3; ++i) {
      const outcome child = run_forked(work_in_child, nullptr);
      EXPECT_SUCCESS(child);
    }
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
  }
  for (Shared& one : shared) free(one.place.exchange(nullptr));
  malloc_trim(0);
  return finish();
}
