// os/thread.h: who is running, and how to wait.
//
// Responsibility  A number for the calling thread; futex wait and wake; a thread of our own.
// Contract        thread_identity() is unique among live threads, never 0, and costs one
//                 instruction. start_thread() is libc's and allocates; the others are system calls.
// Observable      Nothing.
// Composable      Raw system calls, pthread_create. Used by os/lock, heap (scavenger).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/units.h"

namespace hakmem::os {

inline uintptr_t thread_identity() {
  uintptr_t self;
#if defined(__x86_64__)
  asm("mov %%fs:0, %0" : "=r"(self));
#else
  asm("mrs %0, tpidr_el0" : "=r"(self));
#endif
  return self;
}

// Sleeps while *word == expected; may wake for no reason.
void futex_wait(std::atomic<uint32_t>* word, uint32_t expected);
void futex_wait_for(std::atomic<uint32_t>* word, uint32_t expected, Milliseconds at_most);
void futex_wake_one(std::atomic<uint32_t>* word);

// A detached thread with all signals blocked; false when the system refuses. It is libc's, so that
// setuid() and its kin reach it too.
bool start_thread(void* (*body)(void*));
// Of the calling thread; at most 15 characters.
void name_thread(const char* name);
// True in most signal handlers: the signal they handle is blocked.
bool has_blocked_signals();

// Tells the core that this is a spin loop.
inline void spin_pause() {
#if defined(__x86_64__)
  asm volatile("pause");
#else
  asm volatile("isb");
#endif
}

}  // namespace hakmem::os
