// Huge blocks come, go and change their size while the scavenger lets the retained ones decay, on a clock that only its
// own pauses move. It sleeps when nobody called for four decay times, and only then; whoever calls wakes it; what is
// retained while it sleeps is too little for a notice.
#include <csetjmp>

#include "os/process.h"
#include "superslab/registry.h"
#include "pool/shared_pool.h"
#include "large/huge.h"
#include "heap/scavenger.h"

#include "fakeos/fake_process.h"
#include "schedule/os_thread.h"
#include "schedule/program.h"
#include "schedule/protocols.h"
#include "schedule/scheduler.h"
#include "schedule/thread_caches.h"
#include "unit/support.h"

namespace schedule {

namespace {

using namespace hakmem;

constexpr uint32_t kScavenger = 1;
constexpr uint32_t kThreads = 3;
constexpr uint32_t kPrograms = kThreads - 1;
constexpr uint32_t kTurns = 8;
// Rounds without work, or without a call, before it may sleep: four decay times.
constexpr uint32_t kIdleRounds = 32;
// After the last call what is retained decays; the first idle rounds may have begun before that call, the second
// have not.
constexpr uint32_t kRoundsToSleep = 3 * kIdleRounds;
// What is retained when a notice is given.
constexpr Bytes kNotice = mib(5);
// What a tick may spend, as the heap has it.
constexpr uint64_t kDecayUs = 1000;

// Of the test itself. relaxed: they must order nothing, but for the start of the thread.
std::atomic<ThreadBody> g_body{nullptr};
std::atomic<uint32_t> g_started{0};
std::atomic<uint32_t> g_rounds{0};
std::atomic<uint32_t> g_beat{0};  // changes with each round, and when the scavenger falls asleep
std::atomic<uint32_t> g_asleep{0};
std::atomic<std::atomic<uint32_t>*> g_word{nullptr};  // it sleeps on that, while it is
std::atomic<uint32_t> g_asleep_value{0};
std::atomic<uint32_t> g_called{0};   // in which round, or later
std::atomic<uint32_t> g_touched{0};  // in that round, or before, the last of what touched huge blocks ended
std::atomic<uint32_t> g_touching{0};
std::atomic<uint32_t> g_programs{kPrograms};
std::atomic<uint32_t> g_last_round{0};  // of the programs

uint64_t g_seed;
std::jmp_buf g_end;

uint32_t get(const std::atomic<uint32_t>& word) { return word.load(std::memory_order_relaxed); }
void set(std::atomic<uint32_t>& word, uint32_t value) { word.store(value, std::memory_order_relaxed); }
void lift(std::atomic<uint32_t>& word, uint32_t value) {
  uint32_t before = get(word);
  while (before < value && !word.compare_exchange_weak(before, value, std::memory_order_relaxed)) {
  }
}

void beat() {
  g_beat.fetch_add(1, std::memory_order_relaxed);
  for (uint32_t i = 0; i < kPrograms; ++i) os::futex_wake_one(&g_beat);
}

// --- What the scavenger passes.

void start(ThreadBody body) {
  if (get(g_started) != 0) fail("a second scavenger was started");
  g_body.store(body, std::memory_order_relaxed);
  // release: who starts a thread orders what it did before.
  g_started.store(1, std::memory_order_release);
  os::futex_wake_one(&g_started);
}

void pause(std::atomic<uint32_t>* word, Milliseconds at_most) {
  g_word.store(word, std::memory_order_relaxed);
  fakeos::advance_clock(at_most);
  const uint32_t rounds = get(g_rounds) + 1;
  set(g_rounds, rounds);
  const bool is_overdue = get(g_programs) == 0 && rounds - get(g_last_round) > kRoundsToSleep;
  if (is_overdue) fail("the scavenger does not fall asleep", rounds);
  beat();
}

bool sleeps_on(const std::atomic<uint32_t>* word) {
  return self() == kScavenger && word == g_word.load(std::memory_order_relaxed);
}

// Nobody calls any more.
void end_life() {
  if (huge_blocks().stats().retained >= kNotice) fail("the scavenger sleeps, and nobody told it of what is retained");
  std::longjmp(g_end, 1);
}

void before_wait(std::atomic<uint32_t>* word, uint32_t expected) {
  if (!sleeps_on(word)) return;
  const uint32_t rounds = get(g_rounds);
  // In this order: whoever called since has woken it, too.
  const uint32_t called = get(g_called);
  if (get(*word) == expected && rounds - called < kIdleRounds) fail("the scavenger sleeps although somebody called", called);
  const Bytes retained = huge_blocks().stats().retained;
  const bool was_there = get(g_touching) == 0 && get(g_touched) < rounds;
  if (retained != Bytes(0) && was_there) fail("the scavenger saw what is retained, and sleeps", retained.count());
  set(g_asleep_value, expected);
  set(g_asleep, 1);
  beat();
  if (get(g_programs) == 0 && get(*word) == expected) end_life();
}

void after_wait(std::atomic<uint32_t>* word, uint32_t expected) {
  if (!sleeps_on(word)) return;
  if (get(g_programs) == 0 && get(*word) == expected) end_life();
  set(g_asleep, 0);
}

constexpr ThreadHooks kHooks{start, pause, before_wait, after_wait};

void scavenge() {
  // acquire: as a thread that was started.
  while (g_started.load(std::memory_order_acquire) == 0) os::futex_wait(&g_started, 0);
  if (setjmp(g_end) == 0) g_body.load(std::memory_order_relaxed)(nullptr);
}

// --- What the programs do, each as the heap does it.

void wait_for_rounds(uint32_t rounds) {
  const uint32_t until = get(g_rounds) + rounds;
  for (;;) {
    const uint32_t before = get(g_beat);
    if (get(g_started) == 0 || get(g_asleep) != 0 || get(g_rounds) >= until) return;
    os::futex_wait(&g_beat, before);
  }
}

void take(Random& random) {
  const Bytes size = mib(2 + random.below(5));
  void* block = huge_blocks().allocate(size, Bytes(1), HugeBlocks::FromSlots::kForbidden, HugeBlocks::Contents::kAny);
  if (block == nullptr) fail("refused");
  program::hold(block, huge_blocks().size_of(block).count(), 0);
}

void give(Random& random) {
  void* block = program::let_go(random.below(1u << 20));
  if (block == nullptr) return;
  const HugeBlocks::Watch watch = scavenger::watch();
  if (!huge_blocks().release(block, watch)) fail("a huge block is not known");
  if (watch == HugeBlocks::Watch::kTicks) huge_blocks().decay(os::now_coarse(), os::now_microseconds() + kDecayUs);
}

void resize(Random& random) {
  void* block = program::let_go(random.below(1u << 20));
  if (block == nullptr) return;
  const uint64_t first = *static_cast<uint64_t*>(block);
  void* moved = huge_blocks().resize(block, mib(2 + random.below(5)), scavenger::watch());
  // Refused: it lies in several mappings.
  if (moved == nullptr) moved = block;
  if (*static_cast<uint64_t*>(moved) != first) fail("a resized block lost what was in it");
  program::hold(moved, huge_blocks().size_of(moved).count(), 0);
}

// A call counts from the round it began in, for who saw that it has ended.
void tick() {
  const uint32_t round = get(g_rounds);
  const bool runs = scavenger::runs();
  scavenger::takes_over();
  if (runs) lift(g_called, round);
}

void touch(void (*deed)(Random&), Random& random) {
  g_touching.fetch_add(1, std::memory_order_relaxed);
  deed(random);
  lift(g_touched, get(g_rounds));
  g_touching.fetch_sub(1, std::memory_order_relaxed);
}

void act(Random& random) {
  switch (random.below(8)) {
    case 0: case 1: case 2: touch(take, random); return scavenger::start_if_wanted();
    case 3: case 4: touch(give, random); return scavenger::consider_notices();
    case 5: touch(resize, random); return scavenger::start_if_wanted();
    default: return tick();
  }
}

void run_program(uint32_t number) {
  Random random(g_seed * 8 + number);
  tick();
  scavenger::start_if_wanted();
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    // At once, or soon, or about when it falls asleep.
    if (random.one_in(2)) wait_for_rounds(random.one_in(3) ? random.below(12) : kIdleRounds - 1 + random.below(5));
    act(random);
  }
  while (program::held() != 0) {
    touch(give, random);
    scavenger::consider_notices();
  }
  lift(g_last_round, get(g_rounds));
  if (g_programs.fetch_sub(1, std::memory_order_relaxed) != 1) return;
  // All calls have ended.
  if (!waits(kScavenger)) return;
  std::atomic<uint32_t>* word = g_word.load(std::memory_order_relaxed);
  if (word == nullptr) fail("nobody started the scavenger");
  if (get(*word) != get(g_asleep_value)) fail("somebody called the scavenger, and it was not woken");
  os::futex_wake_one(word);
}

void thread_body(uint32_t number) { number == kScavenger ? scavenge() : run_program(number); }

}  // namespace

void live(uint64_t seed) {
  g_seed = seed;
  // No limit that the machine may have, and no file.
  const test::ScopedConfig config([](Config& c) {
    c.scavenger = AutoSwitch::kOn;
    c.memory_limit_bytes = gib(1024).count();
    c.stats = false;
  });
  registry().open();
  set_thread_hooks(&kHooks);
  // It ends with the last thread that has a cache.
  ThreadCache* cache = arrive();
  run(seed, kThreads, thread_body, 20'000);
  depart(cache);
  if (huge_blocks().stats().blocks != 0) fail("huge blocks stay");
  huge_blocks().purge_all();
  if (huge_blocks().stats().retained != Bytes(0)) fail("something stays retained");
}

}  // namespace schedule
