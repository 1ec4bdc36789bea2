// os/process.h: what the process was given and how it says something.
//
// Responsibility  Environment, auxiliary vector, limits, clocks, stderr, the end of the process.
// Contract        Nothing here allocates, keeps a descriptor, touches errno or is a
//                 cancellation point.
// Observable      The lines written to stderr.
// Composable      Raw system calls and getauxval. Used by every box that needs the outside.
#pragma once

#include "base/units.h"

namespace hakmem::os {

// NULL-terminated, or nullptr while libc has not set it up yet.
const char* const* environment();

// True when the process runs with more rights than its caller (AT_SECURE).
bool is_secure_process();

// Size of a page of this kernel, read from the auxiliary vector.
Bytes page_size();

// The soft RLIMIT_AS and RLIMIT_DATA, SIZE_MAX when unlimited.
Bytes address_space_limit();
Bytes data_limit();

// True when a finite RLIMIT_MEMLOCK above the kernel's default says that this process locks memory.
bool may_lock_memory();

// CPUs that the first caller may run on; UINT32_MAX when they cannot be counted.
uint32_t cpu_count();

Milliseconds now_coarse();

// For deadlines of less than a clock tick.
uint64_t now_microseconds();

// Best effort: what cannot be written is lost, as where stderr is closed. A pipe that nobody reads any more sends
// SIGPIPE, as with any write: a program that does not ignore it ends.
void write_stderr(const char* text, size_t length);

// Writes to any descriptor; false when not everything could be written.
bool write_all(int descriptor, const char* text, size_t length);

int process_id();

// 64 bits that nobody can guess: the kernel's, or what it gave the process at start.
uint64_t random_bits();

[[noreturn]] void abort_process();
[[noreturn]] void exit_process(int status);

}  // namespace hakmem::os
