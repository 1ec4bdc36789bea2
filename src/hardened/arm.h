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

// Any block; returns it. nullptr stays nullptr.
void* arm(void* block, size_t size, Origin origin, size_t alignment);

}  // namespace hakmem::hardened
