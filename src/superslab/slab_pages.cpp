#include "superslab/slab_pages.h"

#include "os/process.h"

namespace hakmem {

namespace {

// Blocks first .. end - 1.
struct BlockRange {
  uint32_t first;
  uint32_t end;
};

uint32_t page_shift() {
  return static_cast<uint32_t>(std::countr_zero(os::page_size().count()));
}

uint32_t pages_of(const Slab& slab) {
  return static_cast<uint32_t>((size_t{slab.slots} << kSlotShift) >> page_shift());
}

// Empty behind the last block.
BlockRange blocks_on(const Slab& slab, PageRun run) {
  const SizeClass& info = class_info(slab.class_index());
  const size_t begin = size_t{run.first} << page_shift();
  const size_t last = ((size_t{run.first} + run.count) << page_shift()) - 1;
  uint32_t end = block_index(info, last) + 1;
  if (end > slab.blocks) end = slab.blocks;
  return BlockRange{block_index(info, begin), end};
}

// Calls visit(word, mask) for each word of the bitmap that the range touches, until it returns false.
template <class Visit>
bool for_each_word(BlockRange range, Visit visit) {
  uint32_t block = range.first;
  while (block < range.end) {
    const uint32_t bit = block % 64;
    const uint32_t left = range.end - block;
    const uint32_t count = left < 64 - bit ? left : 64 - bit;
    if (!visit(block / 64, (count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << bit)) {
      return false;
    }
    block += count;
  }
  return true;
}

bool is_hole(const Slab& slab, uint32_t page) {
  const BlockRange range = blocks_on(slab, PageRun{static_cast<uint16_t>(page), 1});
  if (range.first >= range.end) return false;  // never touched
  return for_each_word(range, [&slab](uint32_t word, uint64_t mask) {
    return (slab.bitmap[word] & mask) == mask;
  });
}

struct PurgedBit {
  uint32_t slot;
  uint16_t mask;
};

PurgedBit purged_bit(uint32_t page) {
  const uint32_t pages_per_slot = static_cast<uint32_t>(kSlotBytes.count() >> page_shift());
  return PurgedBit{page / pages_per_slot, static_cast<uint16_t>(1u << page % pages_per_slot)};
}

bool is_purged(const Slab& slab, uint32_t page) {
  const PurgedBit bit = purged_bit(page);
  return ((&slab)[bit.slot].purged_pages & bit.mask) != 0;
}

}  // namespace

PageRun next_hole(const Slab& slab, uint32_t from) {
  const uint32_t pages = pages_of(slab);
  uint32_t page = from;
  while (page < pages) {
    uint32_t end = page;
    bool fresh = false;
    for (; end < pages && is_hole(slab, end); ++end) fresh = fresh || !is_purged(slab, end);
    if (fresh) return PageRun{static_cast<uint16_t>(page), static_cast<uint16_t>(end - page)};
    page = end + 1;
  }
  return PageRun{};
}

void claim_blocks_on(Slab& slab, PageRun run) {
  for_each_word(blocks_on(slab, run), [&slab](uint32_t word, uint64_t mask) {
    DCHECK((slab.bitmap[word] & mask) == mask);
    slab.bitmap[word] &= ~mask;
    slab.free_count -= static_cast<uint32_t>(std::popcount(mask));
    return true;
  });
}

void return_blocks_on(Slab& slab, PageRun run, bool purged) {
  for_each_word(blocks_on(slab, run), [&slab](uint32_t word, uint64_t mask) {
    DCHECK((slab.bitmap[word] & mask) == 0);
    slab.bitmap[word] |= mask;
    slab.free_count += static_cast<uint32_t>(std::popcount(mask));
    return true;
  });
  if (!purged) return;
  for (uint32_t page = run.first; page < uint32_t{run.first} + run.count; ++page) {
    const PurgedBit bit = purged_bit(page);
    (&slab)[bit.slot].purged_pages |= bit.mask;
  }
  slab.has_purged_pages = true;
}

void forget_purged_pages(Slab& slab, uint32_t block) {
  const size_t size = class_info(slab.class_index()).block_bytes;
  const size_t begin = size_t{block} * size;
  const uint32_t last = static_cast<uint32_t>((begin + size - 1) >> page_shift());
  for (uint32_t page = static_cast<uint32_t>(begin >> page_shift()); page <= last; ++page) {
    const PurgedBit bit = purged_bit(page);
    (&slab)[bit.slot].purged_pages &= static_cast<uint16_t>(~bit.mask);
  }
}

Bytes purged_bytes(const Slab& slab) {
  uint32_t pages = 0;
  for (uint32_t slot = 0; slab.has_purged_pages && slot < slab.slots; ++slot) {
    pages += static_cast<uint32_t>(std::popcount((&slab)[slot].purged_pages));
  }
  return Bytes(size_t{pages} << page_shift());
}

bool purged_pages_are_free(const Slab& slab) {
  for (uint32_t page = 0; page < pages_of(slab); ++page) {
    if (is_purged(slab, page) && (!slab.has_purged_pages || !is_hole(slab, page))) return false;
  }
  return true;
}

uintptr_t page_address(const Slab& slab, uint32_t page) {
  return slab.base + (size_t{page} << page_shift());
}

Bytes run_bytes(PageRun run) { return Bytes(size_t{run.count} << page_shift()); }

}  // namespace hakmem
