// hardened/arm.h: a block becomes the program's.
//
// Responsibility  Check a free block's contents, surround it with canaries, and record it.
// Contract        The block came from the heap, with kCanaryBytes more than `size` behind its start.
//                 What belongs to libc (options send everything there) stays as it is.
// Observable      The reports.
// Composable      block_view, report, large. Used by hardened only.
#pragma once

#include "hardened/block_view.h"
#include "hardened/report.h"

namespace hakmem::hardened {

// A block up to kTinyMax.
[[gnu::always_inline]] inline void arm_tiny(Place place, BlockRecord record) {
  const BlockRecord before = load_record(place);
  const uintptr_t end = place.block + place.bytes - kCanaryBytes;
  const bool sound = reads_as_zero(place.block, place.bytes) && end_word_is_sound(end);
  if (before.live() || !sound) [[unlikely]] report_bad_reuse(place.block);
  write_canaries(place.block, record.size(), place.bytes);
  store_record(place, record);
}

// Any block; returns it. nullptr stays nullptr.
void* arm(void* block, size_t size, Origin origin, size_t alignment);


}  // namespace hakmem::hardened
