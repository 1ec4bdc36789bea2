#include "schedule/scheduler.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "schedule/races.h"

namespace schedule {

namespace {

// More than the longest right run takes by far: nobody gets on.
constexpr uint64_t kPointsMax = 3'000'000;
// Steps at which a thread that runs by priority loses it.
constexpr uint32_t kChangesMax = 8;
// Of a life with coins that few switches at least.
constexpr uint64_t kSwitchesMin = 8;

enum class Kind : uint8_t { kCoin, kPriority };

struct Thread {
  uint32_t turn = 0;  // futex word: 1 when it is this thread's turn
  bool exists = false;
  bool done = false;
  const volatile uint32_t* waits_on = nullptr;
  int64_t priority = 0;
};

struct State {
  bool running = false;
  uint64_t seed = 0;
  Random random{0};
  Kind kind = Kind::kCoin;
  uint32_t one_in = 1;
  uint64_t changes[kChangesMax] = {};
  int64_t lowest = 0;
  uint32_t current = 0;
  Thread threads[kThreadsMax];
  void (*body)(uint32_t) = nullptr;
  Stats stats;
};

State g;
thread_local uint32_t t_self = 0;

void sleep_until_turn(Thread& thread) {
  while (__atomic_load_n(&thread.turn, __ATOMIC_ACQUIRE) == 0) {
    syscall(SYS_futex, &thread.turn, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  }
  __atomic_store_n(&thread.turn, 0, __ATOMIC_RELAXED);
}

void give_turn(Thread& thread) {
  __atomic_store_n(&thread.turn, 1, __ATOMIC_RELEASE);
  syscall(SYS_futex, &thread.turn, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

bool can_run(const Thread& thread) {
  return thread.exists && !thread.done && thread.waits_on == nullptr;
}

// kThreadsMax when nobody can.
uint32_t choose() {
  uint32_t able[kThreadsMax];
  uint32_t count = 0;
  for (uint32_t i = 1; i < kThreadsMax; ++i) {
    if (can_run(g.threads[i])) able[count++] = i;
  }
  if (count == 0) return kThreadsMax;
  if (g.kind == Kind::kCoin) return able[g.random.below(count)];
  uint32_t best = able[0];
  for (uint32_t i = 1; i < count; ++i) {
    if (g.threads[able[i]].priority > g.threads[best].priority) best = able[i];
  }
  return best;
}

void switch_to(uint32_t next) {
  g.stats.trace = (g.stats.trace ^ (g.stats.points * 8 + next)) * 0x100000001b3u;
  if (next == g.current) return;
  ++g.stats.switches;
  const uint32_t me = g.current;
  g.current = next;
  give_turn(g.threads[next]);
  if (!g.threads[me].done) sleep_until_turn(g.threads[me]);
}

// The running thread cannot go on.
void let_others_run() {
  const uint32_t next = choose();
  if (next == kThreadsMax) fail("every thread waits for a lock");
  switch_to(next);
}

void* thread_main(void* argument) {
  const uint32_t number = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument));
  t_self = number;
  sleep_until_turn(g.threads[number]);
  g.body(number);
  g.threads[number].done = true;
  races::end_thread(number);
  const uint32_t next = choose();
  if (next != kThreadsMax) {
    switch_to(next);
  } else {
    for (uint32_t i = 1; i < kThreadsMax; ++i) {
      if (g.threads[i].exists && !g.threads[i].done) fail("a thread waits for ever", i);
    }
    g.running = false;
    give_turn(g.threads[0]);
  }
  // Not before all is over: the next thread would get this one's stack and identity.
  return nullptr;
}

// Coins find what a few switches anywhere show; priorities with few changes what needs a thread held
// back for long (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees").
void choose_strategy(uint32_t threads, uint64_t points) {
  static constexpr uint32_t kOneIn[] = {2, 8, 40, 200};
  g.kind = g.random.one_in(3) ? Kind::kPriority : Kind::kCoin;
  const uint32_t rarest = static_cast<uint32_t>(points / kSwitchesMin);
  g.one_in = kOneIn[g.random.below(4)];
  if (g.one_in > rarest) g.one_in = rarest;
  for (uint64_t& change : g.changes) change = g.random.next() % points;
  for (uint32_t i = 1; i <= threads; ++i) g.threads[i].priority = g.random.below(1000);
}

bool wants_switch() {
  if (g.kind == Kind::kCoin) return g.random.one_in(g.one_in);
  bool change = false;
  for (const uint64_t at : g.changes) change = change || at == g.stats.points;
  if (change) g.threads[g.current].priority = --g.lowest;
  return change;
}

}  // namespace

void run(uint64_t seed, uint32_t threads, void (*body)(uint32_t), uint64_t points) {
  g.seed = seed;
  g.random = Random(seed);
  g.body = body;
  choose_strategy(threads, points);
  pthread_t handles[kThreadsMax];
  for (uint32_t i = 1; i <= threads; ++i) {
    g.threads[i].exists = true;
    races::begin_thread(i);
    if (pthread_create(&handles[i], nullptr, thread_main, reinterpret_cast<void*>(uintptr_t{i})) != 0) {
      fail("no thread");
    }
  }
  g.running = true;
  g.current = choose();
  give_turn(g.threads[g.current]);
  sleep_until_turn(g.threads[0]);
  for (uint32_t i = 1; i <= threads; ++i) {
    pthread_join(handles[i], nullptr);
    races::join(i);
  }
}

uint32_t self() { return t_self; }

void point() {
  if (!g.running || t_self == 0) return;
  if (++g.stats.points > kPointsMax) fail("nobody gets on");
  if (wants_switch()) switch_to(choose());
}

void wait_on(const volatile uint32_t* word, uint32_t expected) {
  if (!g.running || *word != expected) return;
  ++g.stats.waits;
  g.threads[t_self].waits_on = word;
  let_others_run();
}

void wake_one(const volatile uint32_t* word) {
  if (!g.running) return;
  uint32_t asleep[kThreadsMax];
  uint32_t count = 0;
  for (uint32_t i = 1; i < kThreadsMax; ++i) {
    if (g.threads[i].waits_on == word) asleep[count++] = i;
  }
  if (count != 0) g.threads[asleep[g.random.below(count)]].waits_on = nullptr;
  point();
}

bool waits(uint32_t number) { return g.threads[number].waits_on != nullptr; }

void fail(const char* what, uint64_t detail) {
  char line[200];
  const int length =
      snprintf(line, sizeof line, "schedule: seed %llu, thread %u, point %llu: %s (%#llx)\n",
               static_cast<unsigned long long>(g.seed), t_self,
               static_cast<unsigned long long>(g.stats.points), what,
               static_cast<unsigned long long>(detail));
  if (write(2, line, static_cast<size_t>(length)) < 0) _exit(2);
  _exit(1);
}

const Stats& stats() { return g.stats; }

}  // namespace schedule
