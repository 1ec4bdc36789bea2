// os/raw_syscall.h: system calls without libc.
//
// Responsibility  Enter the kernel; return its answer (negative errno on failure); count it.
// Contract        errno is untouched, no call is a cancellation point.
// Observable      os/system_calls.
// Composable      Used by os/ only.
#pragma once

#include <sys/syscall.h>

#include "os/system_calls.h"

namespace hakmem::os {

inline constexpr long kFutexWaitPrivate = 128;
inline constexpr long kFutexWakePrivate = 129;

// Folds to a constant where the number is one.
constexpr SystemCall kind_of_system_call(long number, long b) {
  switch (number) {
    case SYS_mmap:
      return SystemCall::kMap;
    case SYS_munmap:
      return SystemCall::kUnmap;
    case SYS_mprotect:
      return SystemCall::kProtect;
    case SYS_madvise:
      return SystemCall::kAdvise;
    case SYS_mremap:
      return SystemCall::kRemap;
    case SYS_futex:
      return b == kFutexWakePrivate ? SystemCall::kFutexWake : SystemCall::kFutexWait;
    default:
      return SystemCall::kOther;
  }
}

#if defined(__x86_64__)
inline long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) {
  count_system_call(kind_of_system_call(number, b));
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long raw_syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) {
  count_system_call(kind_of_system_call(number, b));
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
}
#else
#error "hakmem runs on x86-64 and aarch64"
#endif

}  // namespace hakmem::os
