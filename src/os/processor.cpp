#include "os/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__SANITIZE_THREAD__)
#define HAKMEM_WATCHED_FOR_RACES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAKMEM_WATCHED_FOR_RACES 1
#endif
#endif

namespace hakmem::os {

namespace {

// ThreadSanitizer does not see what instructions as text read and write.
#if defined(HAKMEM_WATCHED_FOR_RACES)
constexpr bool kMustBeSeen = true;
#else
constexpr bool kMustBeSeen = false;
#endif

}  // namespace

bool has_avx2() {
  if constexpr (kMustBeSeen) return false;
#if defined(__x86_64__)
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0 || (c & bit_AVX) == 0) return false;
  // The system saves the registers' lower and upper halves.
  constexpr unsigned kBothHalves = 6;
  unsigned enabled, upper;
  asm volatile("xgetbv" : "=a"(enabled), "=d"(upper) : "c"(0));
  if ((enabled & kBothHalves) != kBothHalves) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_AVX2) != 0;
#else
  return false;
#endif
}

}  // namespace hakmem::os
