// Destructors that run while a thread leaves allocate and free: pthread keys made before and after
// ours, C++ thread_local objects, in all four rounds that libc grants, and after our own.
#include <pthread.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/program.h"

namespace {

constexpr int kKeys = 40;
constexpr int kThreads = 400;
pthread_key_t keys[kKeys];
long destructions = 0;

struct Left {
  int rounds;
  pthread_key_t key;
  void* blocks[8];
};

// Frees what it left, allocates again, and asks to be called again until libc stops.
void on_exit(void* value) {
  Left* left = static_cast<Left*>(value);
  __sync_fetch_and_add(&destructions, 1);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT(is_marked(left->blocks[i], 24 + i * 700));
    free(left->blocks[i]);
  }
  if (left->rounds-- == 0) {
    delete left;
    return;
  }
  Left* again = new Left(*left);
  delete left;
  for (size_t i = 0; i < 8; ++i) {
    again->blocks[i] = malloc(24 + i * 700);
    mark(again->blocks[i], 24 + i * 700);
  }
  free(malloc(70 * KIB));
  free(malloc(3 * MIB));
  free(memalign(MIB, 100));
  pthread_setspecific(again->key, again);
}

Left* make_left(pthread_key_t key) {
  Left* left = new Left{3, key, {}};
  for (size_t i = 0; i < 8; ++i) {
    left->blocks[i] = malloc(24 + i * 700);
    mark(left->blocks[i], 24 + i * 700);
  }
  return left;
}

struct Local {
  std::map<int, std::string> words;
  std::unique_ptr<std::vector<int>> numbers = std::make_unique<std::vector<int>>();
  ~Local() {
    for (int i = 0; i < 50; ++i) numbers->push_back(i);
    words.clear();
    std::string last(2000, 'x');
    EXPECT(last.size() == 2000);
  }
};
thread_local Local local;

pthread_barrier_t all_alive;

void* use_and_leave(void* argument) {
  const long number = reinterpret_cast<long>(argument);
  // Every third thread allocates nothing before its destructors do.
  if (number % 3 != 0) {
    for (int i = 0; i < 20; ++i) local.words[i] = std::string(100, 'y');
  }
  for (int i = 0; i < 3; ++i) {
    const pthread_key_t key = keys[(static_cast<int>(number) * 7 + i * 13) % kKeys];
    if (pthread_getspecific(key) == nullptr) pthread_setspecific(key, make_left(key));
  }
  // As many caches in each wave, however busy the machine.
  pthread_barrier_wait(&all_alive);
  return nullptr;
}

// The first allocation of the whole thread happens in a destructor, in the last round.
void only_in_last_round(void* value) {
  static __thread int round = 0;
  if (++round < 4) {
    pthread_setspecific(keys[0], value);
    return;
  }
  free(malloc(100));
  void* kept = malloc(3000);
  mark(kept, 3000);
  EXPECT(is_marked(kept, 3000));
  free(kept);
}

void* set_only(void* key) {
  pthread_setspecific(*static_cast<pthread_key_t*>(key), key);
  return nullptr;
}

void run_waves() {
  pthread_t threads[16];
  for (long wave = 0; wave < kThreads / 16; ++wave) {
    for (long i = 0; i < 16; ++i) {
      void* number = reinterpret_cast<void*>(wave * 16 + i);
      REQUIRE(pthread_create(&threads[i], nullptr, use_and_leave, number) == 0);
    }
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
  }
}

}  // namespace

int main() {
  begin(20);
  // Keys up to 31 lie in the thread itself, later ones in memory that libc allocates.
  for (pthread_key_t& key : keys) REQUIRE(pthread_key_create(&key, on_exit) == 0);
  REQUIRE(pthread_barrier_init(&all_alive, nullptr, 16) == 0);
  run_waves();
  const size_t quarter = resident_bytes();
  for (long left = how_many(3); left > 0; --left) run_waves();
  EXPECT(destructions >= 4 * kThreads * 3);
  EXPECT(resident_bytes() < quarter + 8 * MIB);

  pthread_key_t last_round;
  REQUIRE(pthread_key_create(&last_round, only_in_last_round) == 0);
  keys[0] = last_round;
  const size_t before = resident_bytes();
  for (int i = 0; i < 3000; ++i) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, nullptr, set_only, &last_round) == 0);
    pthread_join(thread, nullptr);
  }
  // A cache for each of these threads that nobody takes over would be about 10 KiB a thread.
  EXPECT(resident_bytes() < before + 8 * MIB);
  return finish();
}
