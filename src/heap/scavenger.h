// heap/scavenger.h: the thread that gives memory back while the program sleeps.
//
// Responsibility  Do the upkeep of a process whose threads may never call malloc again.
// Contract        HAKMEM_SCAVENGER=auto: wanted at a tick, or when 16 MiB of slots changed hands, or 5 MiB of huge
//                 blocks are retained, once two threads have caches and the heap is of some size; on: from the first
//                 tick; off: never. Started by an allocation, for libc frees under the lock of its stacks
//                 (pthread_join), which a new thread needs. Never in a process that put itself in seccomp mode.
//                 It ends when no thread has a cache: libc ends a process with its last thread.
//                 One thread with every signal blocked that never allocates and has no cache. While it
//                 runs, ticks leave the upkeep to it. When nothing was left to do for four decay times it
//                 sleeps until a tick wakes it. The child of a fork has none until it needs one of its own.
// Observable      runs(). Whoever holds round_lock() sees a heap where the scavenger has nothing on its way.
// Composable      upkeep, os/thread. Used by heap (ticks), lifecycle (fork).
#pragma once

#include "os/lock.h"
#include "large/huge.h"

namespace hakmem::scavenger {

struct Rhythm {
  Milliseconds pause;    // between two rounds
  uint64_t idle_rounds;  // in which nothing may go back before it sleeps: four decay times, or 32 rounds
};
Rhythm rhythm_of(Milliseconds decay);

// At a tick, with Inside. False when the upkeep is the caller's.
bool takes_over();

// After a free's slow path. Where the pool or the huge blocks have a notice it is considered as at a tick.
void consider_notices();

// After an allocation's, without Inside: the same, and starting a thread allocates.
void start_if_wanted();

// No thread of the program has a cache any more.
void end_with_program();

bool runs();

// Held for each round, so nobody who must not wait takes it: the walker does, of a program that stands still.
os::Lock& round_lock();

// Who gives back retained huge blocks.
HugeBlocks::Watch watch();

void forget_in_child();

}  // namespace hakmem::scavenger
