// os/thread.h: who is running, and how to wait.
//
// Responsibility  A number for the calling thread; futex wait and wake.
// Contract        thread_identity() is unique among live threads, never 0, and costs one
//                 instruction.
// Observable      Nothing.
// Composable      Raw system calls. Used by os/lock.
#pragma once

#include <atomic>
#include <cstdint>

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
void futex_wake_one(std::atomic<uint32_t>* word);

// Tells the core that this is a spin loop.
inline void spin_pause() {
#if defined(__x86_64__)
  asm volatile("pause");
#else
  asm volatile("isb");
#endif
}

}  // namespace hakmem::os
