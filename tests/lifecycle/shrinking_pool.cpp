// A pool of 64 threads shrinks to 8 and keeps working on the same data: the half-full slabs of the
// 56 that left are used, not stranded, so resident memory stays what it was.
#include <atomic>
#include <pthread.h>

#include "support/program.h"

namespace {

constexpr int kMany = 64;
constexpr int kFew = 8;
constexpr size_t kPlaces = 64 * 1024;
std::atomic<void*> places[kPlaces];
std::atomic<long> turns_left{0};
pthread_barrier_t all_worked;

size_t size_at(uint32_t random) { return 16 + random % 600; }

void work(uint32_t seed) {
  uint32_t random = seed * 7919 + 13;
  while (turns_left.fetch_sub(64) > 0) {
    for (int i = 0; i < 64; ++i) {
      const uint32_t r = next_random(&random);
      const size_t size = size_at(r >> 16);
      void* fresh = malloc(size);
      memset(fresh, 1, size);
      free(places[r % kPlaces].exchange(fresh));
    }
  }
}

void* one_of_many(void* number) {
  work(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(number)));
  pthread_barrier_wait(&all_worked);
  return nullptr;
}

void* one_of_few(void* number) {
  work(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(number)));
  return nullptr;
}

void run(int count, void* (*body)(void*), long turns, uintptr_t seed) {
  pthread_t threads[kMany];
  turns_left = turns;
  for (int i = 0; i < count; ++i) {
    void* number = reinterpret_cast<void*>(seed + static_cast<uintptr_t>(i));
    REQUIRE(pthread_create(&threads[i], nullptr, body, number) == 0);
  }
  for (int i = 0; i < count; ++i) pthread_join(threads[i], nullptr);
}

}  // namespace

int main() {
  begin(40);
  pthread_barrier_init(&all_worked, nullptr, kMany);
  run(kMany, one_of_many, 1000 * 1000, 1);
  const size_t with_many = resident_bytes();
  size_t most = 0;
  for (uintptr_t round = 0; round < 6; ++round) {
    run(kFew, one_of_few, 500 * 1000, 100 + round * 10);
    const size_t now = resident_bytes();
    if (now > most) most = now;
  }
  if (most > with_many + with_many / 4 + 8 * MIB) {
    char line[100];
    snprintf(line, sizeof line, "%zu KiB with 64 threads, up to %zu KiB with 8", with_many / KIB,
             most / KIB);
    say_failure(__FILE__, __LINE__, line);
    ++program_failures;
  }
  for (auto& place : places) free(place.load());
  return finish();
}
