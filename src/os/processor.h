// os/processor.h: what this processor can do beyond the least that we are compiled for.
//
// Responsibility  Vectors: whether the wide ones are there, and what zeroes and reads blocks with them. A store
//                 that the language has no word for.
// Contract        has_avx2(): no system call, and the answer never changes while the process lives.
// Observable      Nothing.
// Composable      Nothing. Used by hardened.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::os {

// False on other than x86-64.
bool has_avx2();

// Every machine has registers for a pair of words.
using WordPair [[gnu::vector_size(16), gnu::may_alias]] = uint64_t;

[[gnu::always_inline]] inline bool is_zero(WordPair pair) {
#if defined(__x86_64__)
  // The compiler's own way, of two moves and an or, is longer.
  using Quarters [[gnu::vector_size(16)]] = int;
  using Floats [[gnu::vector_size(16)]] = float;
  return __builtin_ia32_movmskps((Floats)((Quarters)pair == Quarters{})) == 15;
#else
  return (pair[0] | pair[1]) == 0;
#endif
}

// The line will be written soon, and may be in another core's cache: one way there instead of two.
[[gnu::always_inline]] inline void prefetch_to_write(const void* at) {
#if defined(__x86_64__)
  // The compiler takes it for an option; where it is none it does nothing.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

// Stores a word at `at`, on any byte. From `kept` on, the bytes have been stored with these values already, and
// other threads may be reading them: they must never see another value there.
[[gnu::always_inline]] inline void store_again(uintptr_t at, uint64_t value,
                                               [[maybe_unused]] uintptr_t kept) {
#if defined(__x86_64__)
  // Seen in the order of the stores, so it changes nothing there for whoever looks. As text, because the
  // language has no such store; a loop up to `kept` ends where no branch predictor foresees.
  asm volatile("mov %[value], (%[at])" : : [value] "r"(value), [at] "r"(at) : "memory");
#else
  const uintptr_t end = at + sizeof value < kept ? at + sizeof value : kept;
  for (; at < end; ++at, value >>= 8) {
    *reinterpret_cast<volatile unsigned char*>(at) = static_cast<unsigned char>(value);
  }
#endif
}

// Both need has_avx2(). Of a block all but the last word, by windows that overlap where the block is shorter:
// a loop ends where no predictor foresees when sizes are mixed. Only the last 32 bytes lie askew. As text,
// because a function that is compiled for AVX2 cannot be inlined into one that is not.
// From kWideMin to kWideMax bytes, in steps of kWideStep above kWideHalf.
inline constexpr size_t kWideMin = 144;
inline constexpr size_t kWideHalf = 256;
inline constexpr size_t kWideStep = 32;
inline constexpr size_t kWideMax = 1024;
#if defined(__x86_64__)
// Where the four windows of a block above kWideHalf begin.
struct Windows {
  uintptr_t second, third, last;
};
[[gnu::always_inline]] inline Windows windows_of(uintptr_t block, size_t bytes) {
  const uintptr_t last = block + bytes - 256;
  // A whole window, so it must end before the last word.
  const uintptr_t latest = last - 32;
  return {block + 256 < latest ? block + 256 : latest, block + 512 < latest ? block + 512 : latest, last};
}

[[gnu::always_inline]] inline bool reads_as_zero_wide(uintptr_t block, size_t bytes) {
  bool zero;
  if (bytes <= kWideHalf) {
    asm volatile("vmovdqu (%[at]), %%ymm0\n\t"
        "vmovdqu 32(%[at]), %%ymm1\n\t"
        "vpor 64(%[at]), %%ymm0, %%ymm0\n\t"
        "vpor 96(%[at]), %%ymm1, %%ymm1\n\t"
        "vpor -128(%[end]), %%ymm0, %%ymm0\n\t"
        "vpor -96(%[end]), %%ymm1, %%ymm1\n\t"
        "vpor -64(%[end]), %%ymm0, %%ymm0\n\t"
        "vpor -40(%[end]), %%ymm1, %%ymm1\n\t"
        "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
        "vptest %%ymm0, %%ymm0\n\t"
        "vzeroupper"
        : "=@ccz"(zero)
        : [at] "r"(block), [end] "r"(block + bytes)
        : "xmm0", "xmm1", "memory");
    return zero;
  }
  const Windows windows = windows_of(block, bytes);
  asm volatile("vmovdqu 192(%[last]), %%ymm0\n\t"
      "vmovdqu 216(%[last]), %%ymm1\n\t"
      ".irp step, 0, 64, 128\n\t"
      "vpor \\step(%[last]), %%ymm0, %%ymm0\n\t"
      "vpor \\step+32(%[last]), %%ymm1, %%ymm1\n\t"
      ".endr\n\t"
      ".irp at, %[first], %[second], %[third]\n\t"
      ".irp step, 0, 64, 128, 192\n\t"
      "vpor \\step(\\at), %%ymm0, %%ymm0\n\t"
      "vpor \\step+32(\\at), %%ymm1, %%ymm1\n\t"
      ".endr\n\t"
      ".endr\n\t"
      "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
      "vptest %%ymm0, %%ymm0\n\t"
      "vzeroupper"
      : "=@ccz"(zero)
      : [first] "r"(block), [second] "r"(windows.second), [third] "r"(windows.third),
        [last] "r"(windows.last)
      : "xmm0", "xmm1", "memory");
  return zero;
}

[[gnu::always_inline]] inline void clear_wide(uintptr_t block, size_t bytes) {
  if (bytes <= kWideHalf) {
    asm volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n\t"
                 ".irp step, 0, 32, 64, 96\n\t"
                 "vmovdqu %%ymm0, \\step(%[at])\n\t"
                 ".endr\n\t"
                 ".irp step, 128, 96, 64, 40\n\t"
                 "vmovdqu %%ymm0, -\\step(%[end])\n\t"
                 ".endr\n\t"
                 "vzeroupper"
                 :
                 : [at] "r"(block), [end] "r"(block + bytes)
                 : "xmm0", "memory");
    return;
  }
  const Windows windows = windows_of(block, bytes);
  asm volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n\t"
               ".irp at, %[first], %[second], %[third]\n\t"
               ".irp step, 0, 32, 64, 96, 128, 160, 192, 224\n\t"
               "vmovdqu %%ymm0, \\step(\\at)\n\t"
               ".endr\n\t"
               ".endr\n\t"
               ".irp step, 0, 32, 64, 96, 128, 160, 192, 216\n\t"
               "vmovdqu %%ymm0, \\step(%[last])\n\t"
               ".endr\n\t"
               "vzeroupper"
               :
               : [first] "r"(block), [second] "r"(windows.second), [third] "r"(windows.third),
                 [last] "r"(windows.last)
               : "xmm0", "memory");
}
#else
inline bool reads_as_zero_wide(uintptr_t, size_t) { return false; }
inline void clear_wide(uintptr_t, size_t) {}
#endif

}  // namespace hakmem::os
