#include "superslab/canary.h"

#include <string.h>

#include "os/process.h"
#include "os/processor.h"
#include "superslab/block_record.h"
#include "superslab/misuse.h"
#include "superslab/randomness.h"

namespace hakmem {

constinit CanarySecret g_canary{0, 1, 0x0101010101010101u};

void make_canary_secret() {
  seed_randomness();
  g_canary.mask = os::random_bits();
  // Not a multiple of 2, and not a small number: the upper bytes come from the product.
  g_canary.multiplier = os::random_bits() | uint64_t{1} << 63 | 1;
}

namespace {

// The word in front of a slab, of whose slot nobody may have taken care: its last slab left what may have been
// the middle of a block, and who has acquired it may not have come to prepare it. Whoever comes to that is not
// disturbed; and where the word was a live block's canary, and somebody wrote over it, zero is no canary.
void settle_word_before(uintptr_t base, const Reservation& home) {
  if (base == home.base) return;  // a guard lies there
  const uintptr_t word = base - kCanaryBytes;
  uint64_t found = load_word(word);
  if (found == 0 || found == canary_at(word)) return;
  // relaxed: a word that somebody else has written is sound already.
  __atomic_compare_exchange_n(reinterpret_cast<uint64_t*>(word), &found, 0, false, __ATOMIC_RELAXED,
                              __ATOMIC_RELAXED);
}

}  // namespace

bool reads_as_zero_by_pairs(uintptr_t block, size_t bytes) {
  const auto* pair = reinterpret_cast<const os::WordPair*>(block);
  const auto* last = reinterpret_cast<const os::WordPair*>(block + bytes) - 1;
  os::WordPair even = {*reinterpret_cast<const uint64_t*>(last), 0};
  os::WordPair odd = {};
  for (; last - pair >= 4; pair += 4) {
    even |= pair[0];
    odd |= pair[1];
    even |= pair[2];
    odd |= pair[3];
  }
  for (; pair != last; ++pair) even |= *pair;
  return os::is_zero(even | odd);
}

void report_written(uintptr_t block, size_t bytes, TextView whose) {
  const auto* byte = reinterpret_cast<const unsigned char*>(block);
  size_t at = 0;
  while (at < bytes - kCanaryBytes && byte[at] == 0) ++at;
  LineWriter detail;
  detail.append("written at byte ").append_decimal(at).append(" of a block at ").append_hex(block);
  detail.append(" that was not in use").append(whose);
  report_misuse(Misuse::kWriteAfterFree, byte + at, detail.view());
}

void require_untouched(const Slab& slab) {
  const ClassIndex c = slab.class_index();
  const Reservation& home = *registry().find(slab.base);
  const size_t offset = home.offset_of(slab.base);
  for (uint32_t i = 0; i < slab.blocks; ++i) {
    const bool is_zeroed =
        c.count() < kTinyClasses ||
        BlockRecord(home.record_at(offset, i).load(std::memory_order_relaxed)).state() == BlockState::kFreedZeroed;
    const uintptr_t block = slab.block_address(i);
    const size_t bytes = block_bytes(c).count();
    if (is_zeroed && !reads_as_zero_by_pairs(block, bytes)) report_written(block, bytes, ", of a slab that goes back");
  }
}

void prepare_blocks(const Slab& slab, bool zero) {
  const ClassIndex c = slab.class_index();
  const size_t bytes = size_t{slab.slots} << kSlotShift;
  const Reservation& home = *registry().find(slab.base);
  settle_word_before(slab.base, home);
  // Not the last word: the block behind it may look at it.
  const uintptr_t last = slab.base + bytes - kCanaryBytes;
  if (!zero) store_word(last, 0);
  if (c.count() < kTinyClasses) {
    if (!zero) memset(reinterpret_cast<void*>(slab.base), 0, bytes - kCanaryBytes);
    return;
  }
  // What the records of a slab that lay here say of zeroed blocks holds no more.
  for (uint32_t i = 0; i < slab.blocks; ++i) {
    home.record_at(home.offset_of(slab.base), i).store(kNeverRecord, std::memory_order_relaxed);
    if (!zero) store_word(slab.block_address(i + 1) - kCanaryBytes, 0);
  }
}

}  // namespace hakmem
