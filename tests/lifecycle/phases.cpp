// A long life in short: growth, churn and idleness in turn, with four threads, two of them new each time. At
// the end of each idle phase the same blocks are alive, scattered singly over the heap, and resident memory
// is what it was after the first: nothing piles up. Its count is seconds; 30 minutes in the soak.
#include <atomic>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "support/program.h"

extern "C" void hak_thread_idle() __attribute__((weak));

namespace {

constexpr int kThreads = 4;
constexpr int kLasting = 2;  // threads that live through all cycles
constexpr size_t kPlaces = 240 * 1000;
constexpr size_t kSurvivors = 61;  // one place in as many is alive when the process idles
constexpr int kRenewals = 3;      // of each place, in churn
// An idle phase ends when resident memory has not changed for as long as decay takes.
constexpr long kLookMs = 100;
constexpr int kLooksAlike = 12;
constexpr int kLooksMost = 150;
constexpr long kCyclesMin = 3;

std::atomic<void*> places[kPlaces];
std::atomic<bool> done{false};
uint32_t cycle_seed = 1;
pthread_barrier_t step;
pthread_barrier_t churned;  // of the workers

// What a place holds is always of one size, so that the survivors are as many bytes each time.
size_t size_at(size_t place) {
  const size_t odd = place * 2654435761u >> 7;
  if (place % 4000 == 0) return 300 * KIB + odd % (3 * MIB);
  return place % 50 == 0 ? 1000 + odd % 15000 : 16 + odd % 600;
}

void put(size_t place) {
  const size_t size = size_at(place);
  void* fresh = malloc(size);
  REQUIRE(fresh != nullptr);
  memset(fresh, 1, size);
  mark(fresh, size);
  void* old = places[place].exchange(fresh);
  if (old == nullptr) return;
  EXPECT(is_marked(old, size));
  free(old);
}

void take(size_t place) {
  void* old = places[place].exchange(nullptr);
  if (old == nullptr) return;
  EXPECT(is_marked(old, size_at(place)));
  free(old);
}

void one_cycle(size_t number) {
  uint32_t random = cycle_seed * 7919 + static_cast<uint32_t>(number) + 1;
  for (size_t i = number; i < kPlaces; i += kThreads) put(i);
  for (size_t i = 0; i < kRenewals * kPlaces / kThreads; ++i) put(next_random(&random) % kPlaces);
  pthread_barrier_wait(&churned);
  // Others' places, so that most of these frees are remote.
  for (size_t i = (number + 1) % kThreads; i < kPlaces; i += kThreads) {
    if (i / kThreads % kSurvivors != 0) take(i);
  }
}

void* work(void* argument) {
  const size_t number = reinterpret_cast<size_t>(argument);
  do {
    pthread_barrier_wait(&step);
    if (done) break;
    one_cycle(number);
    // What lies on a sleeping thread's stacks nobody else can take; those that know say so.
    if (hak_thread_idle != nullptr) hak_thread_idle();
    pthread_barrier_wait(&step);
  } while (number < kLasting);
  return nullptr;
}

void start(pthread_t* threads, int first) {
  for (int i = first; i < kThreads; ++i) {
    REQUIRE(pthread_create(&threads[i], nullptr, work, reinterpret_cast<void*>(size_t(i))) == 0);
  }
}

timespec after(long milliseconds) {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  time.tv_nsec += milliseconds % 1000 * 1000000;
  time.tv_sec += milliseconds / 1000 + time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return time;
}

void wait_for_next_look() {
  sem_t never;
  sem_init(&never, 0, 0);
  const timespec end = after(kLookMs);
  while (sem_clockwait(&never, CLOCK_MONOTONIC, &end) != 0 && errno == EINTR) {
  }
}

// Nobody calls malloc. What is resident when nothing goes back any more.
size_t idle() {
  size_t resident = 0;
  int alike = 0;
  for (int look = 0; look < kLooksMost && alike < kLooksAlike; ++look) {
    const size_t before = resident;
    wait_for_next_look();
    resident = resident_bytes();
    alike = resident == before ? alike + 1 : 0;
  }
  return resident;
}

bool is_later_than(const timespec& end) {
  const timespec now = after(0);
  return now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec > end.tv_nsec);
}

void expect_as_before(long cycle, size_t first, size_t now) {
  // 3 %, and for what a thread's stack or libc takes on the way.
  if (now <= first + first * 3 / 100 + MIB) return;
  char line[120];
  snprintf(line, sizeof line, "%zu KiB after the first idle phase, %zu KiB after the %ldth",
           first / KIB, now / KIB, cycle);
  say_failure(__FILE__, __LINE__, line);
  ++program_failures;
}

}  // namespace

int main() {
  const long seconds = how_many(5);
  begin(static_cast<unsigned>(seconds) + 80);
  const timespec end = after(seconds * 1000);
  pthread_barrier_init(&step, nullptr, kThreads + 1);
  pthread_barrier_init(&churned, nullptr, kThreads);
  pthread_t threads[kThreads];
  start(threads, 0);
  size_t first = 0;
  size_t most = 0;
  long cycle = 0;
  for (; cycle < kCyclesMin || !is_later_than(end); ++cycle) {
    if (cycle != 0) start(threads, kLasting);
    cycle_seed = static_cast<uint32_t>(cycle) + 1;
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    for (int i = kLasting; i < kThreads; ++i) pthread_join(threads[i], nullptr);
    const size_t now = idle();
    if (cycle == 0) first = now;
    if (now > most) most = now;
    if (program_failures < 5) expect_as_before(cycle + 1, first, now);
  }
  done = true;
  start(threads, kLasting);
  pthread_barrier_wait(&step);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  for (size_t i = 0; i < kPlaces; ++i) take(i);
  printf("%ld cycles; resident %zu KiB after the first idle phase, %zu KiB at most\n", cycle,
         first / KIB, most / KIB);
  return finish();
}
