// Thousands of threads, at most 64 alive, that leave blocks to each other: what a thread had is
// recycled, so resident memory at the end is what it was at the quarter point.
#include <atomic>
#include <pthread.h>

#include "support/program.h"

namespace {

constexpr long kThreads = 20000;  // 100 000 in the soak
constexpr long kAlive = 64;
constexpr size_t kPlaces = 2048;
std::atomic<void*> places[kPlaces];

size_t size_at(size_t place) { return 16 + place % 40 * 48; }

void* visit(void* argument) {
  uint32_t random = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument)) * 2654435761u + 1;
  for (int i = 0; i < 60; ++i) {
    const size_t place = next_random(&random) % kPlaces;
    void* fresh = malloc(size_at(place));
    mark(fresh, size_at(place));
    void* old = places[place].exchange(fresh);
    if (old != nullptr) EXPECT(is_marked(old, size_at(place)));
    free(old);
  }
  free(malloc(50000));
  return nullptr;
}

}  // namespace

int main() {
  begin(40);
  const long count = how_many(kThreads);
  pthread_t threads[kAlive];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 * KIB);
  size_t quarter = 0;
  for (long started = 0; started < count; ++started) {
    if (started >= kAlive) pthread_join(threads[started % kAlive], nullptr);
    void* number = reinterpret_cast<void*>(started);
    REQUIRE(pthread_create(&threads[started % kAlive], &attributes, visit, number) == 0);
    if (started == count / 4) quarter = resident_bytes();
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  const size_t end = resident_bytes();
  if (end > quarter + 16 * MIB) {
    char line[100];
    snprintf(line, sizeof line, "%zu KiB at the quarter point, %zu KiB at the end", quarter / KIB,
             end / KIB);
    say_failure(__FILE__, __LINE__, line);
    ++program_failures;
  }
  return finish();
}
