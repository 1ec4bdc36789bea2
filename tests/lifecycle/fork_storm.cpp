// fork from a process whose other threads are inside malloc, many times. Parent and child
// both allocate, free what they inherited, and start a thread; now and then the child forks again.
#include <atomic>
#include <pthread.h>
#include <semaphore.h>
#include <vector>

#include "support/program.h"

namespace {

// The first few never rest. If all did that, a fork would wait for the time slice of each thread that was
// stopped with its cache's lock held: the others do a batch for each fork, which meets them in it.
constexpr int kRestless = 2;
constexpr int kStormers = 64;
constexpr int kBatch = 200;
constexpr long kForks = 100;  // 10 000 in the soak
constexpr int kShared = 512;
std::atomic<bool> stop{false};
sem_t batches;
std::atomic<void*> shared[kShared];  // marked blocks of 64 + 8 * index bytes, or null

size_t shared_size(size_t index) { return 64 + 8 * index; }

// Takes whatever is in the place, puts a new block there: most frees are of others' blocks.
void renew(size_t index) {
  const size_t size = shared_size(index);
  void* fresh = malloc(size);
  REQUIRE(fresh != nullptr);
  mark(fresh, size);
  void* old = shared[index].exchange(fresh);
  if (old == nullptr) return;
  EXPECT(is_marked(old, size));
  free(old);
}

void* storm(void* argument) {
  uint32_t random = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument)) * 7919 + 1;
  void* own[64] = {};
  // Less urgent than the forks, which otherwise wait for the storm to run out of its time slices.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 10);
  const bool restless = reinterpret_cast<uintptr_t>(argument) <= kRestless;
  for (int turn = 0; !stop.load(std::memory_order_relaxed); ++turn) {
    if (!restless && turn % kBatch == 0) sem_wait(&batches);
    const uint32_t r = next_random(&random);
    renew(r % kShared);
    void*& place = own[(r >> 10) % 64];
    free(place);
    place = malloc((r >> 16) % 40000);
    if (r % 512 == 0) free(malloc(3 * MIB));
    if (r % 1024 == 0) place = realloc(place, 100000);
  }
  for (void* block : own) free(block);
  return nullptr;
}

void* allocate_in_thread(void*) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < 300; ++i) blocks.push_back(malloc(i * 10));
  for (void* block : blocks) {
    // A small block is small: a thread in the child has a working cache, not an emergency path.
    EXPECT(malloc_usable_size(block) < 4096);
    free(block);
  }
  return nullptr;
}

void use_a_thread() {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, allocate_in_thread, nullptr) == 0);
  pthread_join(thread, nullptr);
}

int child(long number) {
  alarm(10);
  void* own[200];
  for (size_t i = 0; i < 200; ++i) {
    own[i] = malloc(i * 20);
    REQUIRE(own[i] != nullptr);
    if (i > 1) mark(own[i], i * 20);
  }
  // What another thread had taken out of its place when it vanished is lost; the rest is ours.
  for (size_t i = 0; i < kShared; ++i) {
    void* block = shared[i].exchange(nullptr);
    if (block == nullptr) continue;
    EXPECT(is_marked(block, shared_size(i)));
    free(block);
  }
  for (size_t i = 0; i < 200; ++i) {
    if (i > 1) EXPECT(is_marked(own[i], i * 20));
    free(own[i]);
  }
  for (int i = 0; i < 3; ++i) use_a_thread();
  free(malloc(4 * MIB));
  if (number % 50 == 0) malloc_trim(0);
  if (number % 20 == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      use_a_thread();
      return finish();
    }
    EXPECT(wait_at_most(grandchild, 5) == 0);
  }
  return finish();
}

}  // namespace

int main() {
  begin(55);
  for (size_t i = 0; i < kShared; ++i) renew(i);
  REQUIRE(sem_init(&batches, 0, 0) == 0);
  pthread_t threads[kStormers];
  for (long i = 0; i < kStormers; ++i) {
    REQUIRE(pthread_create(&threads[i], nullptr, storm, reinterpret_cast<void*>(i + 1)) == 0);
  }
  const long forks = how_many(kForks);
  int bad = 0;
  const uint64_t begun_ms = now_ms();
  for (long number = 0; !is_enough(number, forks, 15, begun_ms, 20) && bad < 3; ++number) {
    void* before = malloc(100);
    for (int i = kRestless; i < kStormers; ++i) sem_post(&batches);
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) _exit(child(number));
    free(before);
    renew(static_cast<size_t>(number) % kShared);
    const int status = wait_at_most(pid, 10);
    if (status == 0) continue;
    ++bad;
    char text[100];
    snprintf(text, sizeof text, "child %ld ended with status 0x%x", number, status);
    say_failure(__FILE__, __LINE__, text);
  }
  EXPECT(bad == 0);
  stop = true;
  for (int i = 0; i < kStormers; ++i) sem_post(&batches);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  return finish();
}
