// base/check.h: assertions.
//
// Responsibility  Stop the process where an assumption of ours is broken.
// Contract        CHECK is always on (where trust ends), DCHECK in debug builds only.
//                 Neither allocates.
// Observable      One line on stderr: what, file, line; then abort.
// Composable      check_failed() is defined by os/process.cpp: base makes no system calls.
#pragma once

namespace hakmem {

// The one place that asks the build which flavour it is.
#if defined(HAKMEM_DEBUG)
inline constexpr bool kDebug = true;
#else
inline constexpr bool kDebug = false;
#endif
#if defined(HAKMEM_HARDENED)
inline constexpr bool kHardened = true;
#else
inline constexpr bool kHardened = false;
#endif

[[noreturn, gnu::cold, gnu::noinline]] void check_failed(const char* what, const char* file,
                                                         int line);

}  // namespace hakmem

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::hakmem::check_failed(#condition, __FILE__, __LINE__))

#define DCHECK(condition)                                    \
  ((!::hakmem::kDebug || (condition)) ? static_cast<void>(0) \
                                      : ::hakmem::check_failed(#condition, __FILE__, __LINE__))
