// os/fault.h: accesses that the memory refused.
//
// Responsibility  Show somebody of ours each SIGSEGV before the program sees it.
// Contract        watch_faults() once, while there is one thread. What `look` returns from goes to the handler
//                 that was there before, or ends the process as it would have. A handler that the program
//                 installs later takes our place. `look` runs in the signal handler.
// Observable      The process's SIGSEGV handler.
// Composable      libc's sigaction, os/unwind. Used by heap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::os {

struct Fault {
  uintptr_t address;
  enum class Access : uint8_t { kUnknown, kRead, kWrite } access;
  const void* context;  // the interrupted frame, for backtrace_of()
};

// False when the system refuses.
bool watch_faults(void (*look)(const Fault&));

// As backtrace(), from the instruction that faulted, which comes first.
size_t backtrace_of(const Fault& fault, uintptr_t* frames, size_t frames_max);

}  // namespace hakmem::os
