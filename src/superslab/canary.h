// superslab/canary.h: words that a linear overflow cannot pass unseen. Hardened flavour only.
//
// Responsibility  The value of a canary at an address; the words that separate blocks.
// Contract        The last word of each block, of each slab and of each slot without a slab is the
//                 canary of its address, or zero where no block was handed out since its page was
//                 fresh. Not a byte of a canary is zero: the terminator of a text that is one byte too
//                 long is seen. Blocks up to kTinyMax that are not live read as zero before that word.
// Observable      Nothing.
// Composable      registry. Used by pool (a new slab), hardened.
#pragma once

#include "base/text.h"
#include "superslab/registry.h"

namespace hakmem {

inline constexpr size_t kCanaryBytes = sizeof(uint64_t);

// In memory, for an instruction that reads it is shorter than one that contains it.
struct CanarySecret {
  uint64_t mask;
  uint64_t multiplier;  // odd
  uint64_t ones;        // no byte of a canary is zero
};

// sync: none. Written before the first block exists.
extern CanarySecret g_canary [[gnu::visibility("hidden")]];

// Once, while there is one thread.
void make_canary_secret();

// The product spreads the address over all bytes.
inline uint64_t canary_at(uintptr_t word) {
  return ((word ^ g_canary.mask) * g_canary.multiplier) | g_canary.ones;
}

// A word between two blocks may be looked at by one's thread while the other's writes it.
// sync: canary. relaxed: any value it ever has is one that the reader accepts.
inline uint64_t load_word(uintptr_t word) {
  return __atomic_load_n(reinterpret_cast<const uint64_t*>(word), __ATOMIC_RELAXED);
}
inline void store_word(uintptr_t word, uint64_t value) {
  __atomic_store_n(reinterpret_cast<uint64_t*>(word), value, __ATOMIC_RELAXED);
}

inline bool end_word_is_sound(uintptr_t word, uint64_t canary) {
  const uint64_t value = load_word(word);
  return value == canary || value == 0;
}
inline bool end_word_is_sound(uintptr_t word) { return end_word_is_sound(word, canary_at(word)); }

// A block of any size, by instructions that every machine has. Its last word is not looked at.
bool reads_as_zero_by_pairs(uintptr_t block, size_t bytes);

// A block that is not in use was written to: says where, and `whose` slab it is of.
[[noreturn]] void report_written(uintptr_t block, size_t bytes, TextView whose);

// Every block of the slab is home: reports one that was zeroed when it was freed and was written since.
void require_untouched(const Slab& slab);

// What the contract says of a slab that nobody has had a block of; `zero`: it reads as zero.
void prepare_blocks(const Slab& slab, bool zero);

}  // namespace hakmem
