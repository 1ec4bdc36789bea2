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

// Both need has_avx2(). Of a block of more than kWideMin bytes all but the last word: kWideStep bytes a step,
// and as many again that end there. As text, because a function that is compiled for AVX2 cannot be inlined
// into one that is not.
inline constexpr size_t kWideStep = 128;
inline constexpr size_t kWideMin = kWideStep + sizeof(uint64_t);
#if defined(__x86_64__)
[[gnu::always_inline]] inline bool reads_as_zero_wide(uintptr_t block, size_t bytes) {
  const uintptr_t tail = block + bytes - sizeof(uint64_t) - kWideStep;
  bool zero;
  asm("vmovdqu (%[tail]), %%ymm0\n\t"
      "vmovdqu 32(%[tail]), %%ymm1\n\t"
      "vpor 64(%[tail]), %%ymm0, %%ymm0\n\t"
      "vpor 96(%[tail]), %%ymm1, %%ymm1\n"
      "1:\n\t"
      "vpor (%[at]), %%ymm0, %%ymm0\n\t"
      "vpor 32(%[at]), %%ymm1, %%ymm1\n\t"
      "vpor 64(%[at]), %%ymm0, %%ymm0\n\t"
      "vpor 96(%[at]), %%ymm1, %%ymm1\n\t"
      "sub $-128, %[at]\n\t"
      "cmp %[tail], %[at]\n\t"
      "jb 1b\n\t"
      "vpor %%ymm1, %%ymm0, %%ymm0\n\t"
      "vptest %%ymm0, %%ymm0\n\t"
      "vzeroupper"
      : "=@ccz"(zero), [at] "+r"(block)
      : [tail] "r"(tail)
      : "xmm0", "xmm1", "memory");
  return zero;
}

[[gnu::always_inline]] inline void clear_wide(uintptr_t block, size_t bytes) {
  const uintptr_t tail = block + bytes - sizeof(uint64_t) - kWideStep;
  asm volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n"
               "1:\n\t"
               "vmovdqu %%ymm0, (%[at])\n\t"
               "vmovdqu %%ymm0, 32(%[at])\n\t"
               "vmovdqu %%ymm0, 64(%[at])\n\t"
               "vmovdqu %%ymm0, 96(%[at])\n\t"
               "sub $-128, %[at]\n\t"
               "cmp %[tail], %[at]\n\t"
               "jb 1b\n\t"
               "vmovdqu %%ymm0, (%[tail])\n\t"
               "vmovdqu %%ymm0, 32(%[tail])\n\t"
               "vmovdqu %%ymm0, 64(%[tail])\n\t"
               "vmovdqu %%ymm0, 96(%[tail])\n\t"
               "vzeroupper"
               : [at] "+r"(block)
               : [tail] "r"(tail)
               : "xmm0", "memory", "cc");
}
#else
inline bool reads_as_zero_wide(uintptr_t, size_t) { return false; }
inline void clear_wide(uintptr_t, size_t) {}
#endif

}  // namespace hakmem::os
