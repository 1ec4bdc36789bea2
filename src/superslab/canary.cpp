#include "superslab/canary.h"

#include <string.h>

#include "base/text.h"
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

bool reads_as_zero(uintptr_t block, size_t bytes) {
  const auto* pair = reinterpret_cast<const os::WordPair*>(block);
  os::WordPair any{};
  // The last word is none of the block's.
  for (size_t i = 0; i < bytes / sizeof(os::WordPair) - 1; ++i) any |= pair[i];
  return os::is_zero(any) && *reinterpret_cast<const uint64_t*>(block + bytes - 2 * kCanaryBytes) == 0;
}

[[noreturn]] void report_written(uintptr_t block) {
  const auto* byte = reinterpret_cast<const unsigned char*>(block);
  size_t at = 0;
  while (byte[at] == 0) ++at;
  LineWriter detail;
  detail.append("written at byte ").append_decimal(at).append(" of a block at ").append_hex(block);
  detail.append(" that was not in use, of a slab that goes back");
  report_misuse(Misuse::kWriteAfterFree, byte + at, detail.view());
}

}  // namespace

void require_untouched(const Slab& slab) {
  const ClassIndex c = slab.class_index();
  const Reservation& home = *registry().find(slab.base);
  const size_t offset = home.offset_of(slab.base);
  for (uint32_t i = 0; i < slab.blocks; ++i) {
    const bool is_zeroed =
        c.count() < kTinyClasses ||
        BlockRecord(home.record_at(offset, i).load(std::memory_order_relaxed)).state() == BlockState::kFreedZeroed;
    const uintptr_t block = slab.block_address(i);
    if (is_zeroed && !reads_as_zero(block, block_bytes(c).count())) report_written(block);
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
