"""Mutants of the scavenger's sleep, and of what it meets while huge blocks come and go."""
from large_rows import HUGE_CPP, RETAINED
from rows import HEAP, SCAVENGER, step

SLEEPER = "heap/scavenger.cpp"

SLEEP = [
    step("the scavenger sleeps although somebody called", SLEEPER,
         "uint32_t state = kDrowsy;\n  if (!g_state.compare_exchange_strong(state, kAsleep, std::memory_order_relaxed)) return;",
         "g_state.store(kAsleep, std::memory_order_relaxed);", SCAVENGER),
    step("it is drowsy in its last idle round alone", SLEEPER, "if (idle_rounds == 1) g_state", "if (idle_rounds == rhythm.idle_rounds) g_state",
         SCAVENGER),
    step("a call leaves it drowsy", SLEEPER, "while (state == kDrowsy || state == kAsleep) {", "while (state == kAsleep) {",
         SCAVENGER),
    step("a call does not wake it", SLEEPER, "if (state == kAsleep) os::futex_wake_one(&g_state);", "", SCAVENGER),
    step("two threads start it", SLEEPER, "g_state.compare_exchange_strong(state, kWanted, std::memory_order_relaxed);\n  return false;",
         "g_state.store(kWanted, std::memory_order_relaxed);\n  return false;", SCAVENGER),
    step("it never sleeps", SLEEPER, "if (idle_rounds > rhythm.idle_rounds) {",
         "if (idle_rounds > 99 * rhythm.idle_rounds) {",
         SCAVENGER),
    step("it sleeps before a long decay time is over", SLEEPER, "kIdleDecays * ((decay.count() + pause.count() - 1) / pause.count());",
         "kIdleDecays * kRoundsPerDecay;", HEAP),
    step("it sleeps while a huge block waits for its time", SLEEPER,
         "return purged == Bytes(0) && huge_blocks().stats().retained == Bytes(0);", "return purged == Bytes(0);", SCAVENGER),
    step("nobody tells it of retained huge blocks", SLEEPER, "if (pool().take_notice() || huge_blocks().take_notice()) takes_over();",
         "if (pool().take_notice()) takes_over();", SCAVENGER),
    step("a growth that was refused tells nobody of its range", "heap/heap.cpp", "if (!lifecycle::busy()) scavenger::start_if_wanted();\n  count_huge",
         "count_huge", HEAP),
]

RACES = [
    step("what decays is chosen without the lock", RETAINED, "os::LockGuard guard(lock_);\n      gone = evict(until, kDecayStep);",
         "gone = evict(until, kDecayStep);", SCAVENGER),
    step("what makes way is chosen without the lock", RETAINED, "os::LockGuard guard(lock_);\n      const size_t most = bound();",
         "const size_t most = bound();", SCAVENGER),
    step("a retained range is taken without the lock", RETAINED, "os::LockGuard guard(lock_);\n  const Range range = retained_.take(",
         "const Range range = retained_.take(", SCAVENGER),
    step("a huge block leaves the table without the lock", HUGE_CPP,
         "os::LockGuard guard(lock_);\n    HugeTable::Entry* entry = find(block);\n    if (entry == nullptr) return false;\n    size =",
         "HugeTable::Entry* entry = find(block);\n    if (entry == nullptr) return false;\n    size =", SCAVENGER),
    step("a resized huge block leaves the table without the lock", HUGE_CPP,
         "os::LockGuard guard(lock_);\n    HugeTable::Entry* entry = find(block);\n    if (entry == nullptr) return nullptr;",
         "HugeTable::Entry* entry = find(block);\n    if (entry == nullptr) return nullptr;", SCAVENGER),
]

SCAVENGER_ROWS = SLEEP + RACES
