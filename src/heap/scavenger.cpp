#include "heap/scavenger.h"

#include "os/process.h"
#include "os/sandbox.h"
#include "os/thread.h"
#include "config/config.h"
#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "heap/after_tick.h"
#include "heap/upkeep.h"

namespace hakmem::scavenger {

namespace {

// A smaller heap is not worth a thread.
constexpr Bytes kHeapMin = mib(32);
// Rounds in a decay time: the curve is followed, and eight wake-ups a second at the default.
constexpr uint64_t kRoundsPerDecay = 8;
constexpr Milliseconds kPauseMin{10};
constexpr Milliseconds kPauseMax{1000};
// What is freed now has gone back after a decay time, the pages in slabs after two passes of half a
// decay time each; what frees a whole slot starts anew.
constexpr uint64_t kIdleDecays = 4;
// A signal handler must not start a thread, and has its signal blocked; a thread that has signals
// blocked all the time is let through after so many ticks.
constexpr uint32_t kPatience = 32;
// The system refuses a thread for a while at least.
constexpr Milliseconds kRefusedPause{1000};

// Drowsy: unless somebody calls in all of its idle rounds it falls asleep. Pages in slabs, caches left behind and mail
// wait for several rounds, and nothing else tells of them.
enum State : uint32_t { kNone, kWanted, kStarting, kRunning, kDrowsy, kAsleep, kGivenUp };

// sync: scavenger. The word it sleeps on. relaxed: no data is handed over with it. Who retains a huge block after a
// drowsy round looked took its lock after it, and so sees that it is drowsy, or later.
constinit std::atomic<uint32_t> g_state{kNone};
constinit std::atomic<uint32_t> g_patience{kPatience};
// relaxed: a hint.
constinit std::atomic<uint64_t> g_not_before_ms{0};
constinit os::Lock g_round{os::LockRank::kRound};

bool wanted() {
  if (config().decay_ms == kDurationNeverMs) return false;
  if (config().scavenger == AutoSwitch::kOff) return false;
  const bool is_worth_it =
      config().scavenger == AutoSwitch::kOn || (cache_list().live() > 1 && pool().used() >= kHeapMin);
  return is_worth_it && os::now_coarse().count() >= g_not_before_ms.load(std::memory_order_relaxed);
}

void fall_asleep() {
  uint32_t state = kDrowsy;
  if (!g_state.compare_exchange_strong(state, kAsleep, std::memory_order_relaxed)) return;
  while (g_state.load(std::memory_order_relaxed) == kAsleep) {
    os::futex_wait(&g_state, kAsleep);
  }
}

// True when nothing went back, and no huge block waits for its time.
bool do_round() {
  os::LockGuard round(g_round);
  const Milliseconds now = os::now_coarse();
  const Bytes purged = upkeep::at_leisure(now);
  after_tick(now);
  return purged == Bytes(0) && huge_blocks().stats().retained == Bytes(0);
}

void* live(void*) {
  os::name_thread("hak-scavenger");
  g_state.store(kRunning, std::memory_order_relaxed);
  const Rhythm rhythm = rhythm_of(Milliseconds(config().decay_ms));
  uint64_t idle_rounds = 0;
  while (cache_list().live() != 0) {
    idle_rounds = do_round() ? idle_rounds + 1 : 0;
    if (idle_rounds > rhythm.idle_rounds) {
      fall_asleep();
      idle_rounds = 0;
      continue;
    }
    uint32_t running = kRunning;
    if (idle_rounds == 1) g_state.compare_exchange_strong(running, kDrowsy, std::memory_order_relaxed);
    os::futex_wait_for(&g_state, g_state.load(std::memory_order_relaxed), rhythm.pause);
  }
  // Where it was the program's last thread, libc ends the process here; else the next one that is wanted starts anew.
  g_state.store(kNone, std::memory_order_relaxed);
  return nullptr;
}

}  // namespace

Rhythm rhythm_of(Milliseconds decay) {
  const Milliseconds wanted(decay.count() / kRoundsPerDecay);
  const Milliseconds pause = wanted < kPauseMin ? kPauseMin : wanted < kPauseMax ? wanted : kPauseMax;
  const uint64_t rounds = kIdleDecays * ((decay.count() + pause.count() - 1) / pause.count());
  return {pause, rounds < kIdleDecays * kRoundsPerDecay ? kIdleDecays * kRoundsPerDecay : rounds};
}

bool takes_over() {
  uint32_t state = g_state.load(std::memory_order_relaxed);
  while (state == kDrowsy || state == kAsleep) {
    if (!g_state.compare_exchange_weak(state, kRunning, std::memory_order_relaxed)) continue;
    if (state == kAsleep) os::futex_wake_one(&g_state);
    return true;
  }
  if (state == kRunning) return true;
  // Another thread may have started it since.
  if (state == kNone && wanted()) g_state.compare_exchange_strong(state, kWanted, std::memory_order_relaxed);
  return false;
}

void consider_notices() {
  if (pool().take_notice() || huge_blocks().take_notice()) takes_over();
}

void start_if_wanted() {
  consider_notices();
  uint32_t state = kWanted;
  if (g_state.load(std::memory_order_relaxed) != state) return;
  if (os::is_sandboxed()) {
    g_state.compare_exchange_strong(state, kGivenUp, std::memory_order_relaxed);
    return;
  }
  if (os::has_blocked_signals() && g_patience.load(std::memory_order_relaxed) != 0) {
    g_patience.fetch_sub(1, std::memory_order_relaxed);
    g_state.compare_exchange_strong(state, kNone, std::memory_order_relaxed);  // the next tick asks again
    return;
  }
  if (!g_state.compare_exchange_strong(state, kStarting, std::memory_order_relaxed)) return;
  if (os::start_thread(live)) return;
  g_not_before_ms.store((os::now_coarse() + kRefusedPause).count(), std::memory_order_relaxed);
  g_state.store(kNone, std::memory_order_relaxed);
}

void end_with_program() {
  // Who runs on its rounds sleeps between them.
  if (runs() && takes_over()) os::futex_wake_one(&g_state);
}

bool runs() {
  const uint32_t state = g_state.load(std::memory_order_relaxed);
  return state == kRunning || state == kDrowsy || state == kAsleep;
}

os::Lock& round_lock() { return g_round; }

HugeBlocks::Watch watch() { return runs() ? HugeBlocks::Watch::kThread : HugeBlocks::Watch::kTicks; }

void forget_in_child() {
  g_round.reset_in_child();
  if (g_state.load(std::memory_order_relaxed) == kGivenUp) return;
  g_state.store(kNone, std::memory_order_relaxed);
}

}  // namespace hakmem::scavenger
