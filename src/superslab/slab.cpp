#include "superslab/slab.h"

#include "superslab/randomness.h"
#include "superslab/slab_pages.h"

namespace hakmem {

uint32_t take_blocks(Slab& slab, void** end, uint32_t want) {
  const uint32_t words = slab.words();
  const size_t size = class_info(slab.class_index()).block_bytes;
  if (want > slab.free_count) want = slab.free_count;
  uint32_t taken = 0;
  uint32_t word = kHardened ? random_below(words) : slab.start_word;
  // At most one turn: want <= free_count bits are set.
  for (uint32_t step = 0; step < words && taken < want; ++step) {
    uint64_t bits = slab.bitmap[word];
    const uintptr_t first = slab.base + size_t{word} * 64 * size;
    const uint64_t above = kHardened ? ~uint64_t{0} << random_below(64) : ~uint64_t{0};
    for (; bits != 0 && taken < want; ++taken) {
      uint64_t candidates = bits;
      if (kHardened && (bits & above) != 0) candidates &= above;
      const uint32_t bit = static_cast<uint32_t>(std::countr_zero(candidates));
      bits ^= candidates & -candidates;
      *--end = reinterpret_cast<void*>(first + bit * size);
      if (slab.has_purged_pages) [[unlikely]] forget_purged_pages(slab, word * 64 + bit);
    }
    slab.bitmap[word] = bits;
    if (++word == words) word = 0;
  }
  DCHECK(taken == want);
  if constexpr (kHardened) shuffle(end, taken);
  slab.free_count -= taken;
  return taken;
}

uint32_t count_free_bits(const Slab& slab) {
  uint32_t bits = 0;
  for (uint32_t word = 0; word < slab.words(); ++word) {
    bits += static_cast<uint32_t>(std::popcount(slab.bitmap[word]));
  }
  return bits;
}

Bytes bitmap_bytes(ClassIndex size_class) {
  const uint32_t blocks = class_info(size_class).blocks;
  return Bytes(blocks <= 64 ? 0 : (blocks + 63u) / 64u * 8u);
}

}  // namespace hakmem
