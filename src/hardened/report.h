// hardened/report.h: which check failed, and what the report says about it.
//
// Responsibility  From what a check saw to the mistake's name and its details.
// Contract        Nothing returns. Reads the block at fault, and that only where it is known to be one.
// Observable      The reports (superslab/misuse.h).
// Composable      superslab/misuse. Used by hardened only.
#pragma once

#include "hardened/block_view.h"

namespace hakmem::hardened {

// A free or a realloc of what is no live block, in a slab of ours.
[[noreturn, gnu::cold, gnu::noinline]] void report_not_live(uintptr_t block);

// The call does not fit the one that the block came from, by kind, size or alignment (0: not given).
[[noreturn, gnu::cold, gnu::noinline]] void report_mismatch(const void* block, size_t have,
                                                            BlockRecord record, Origin origin,
                                                            size_t size, size_t alignment);

// The canaries of a block of `bytes` with `size` asked for.
[[noreturn, gnu::cold, gnu::noinline]] void report_overflow(uintptr_t block, size_t size, size_t bytes);

// The word before the block.
[[noreturn, gnu::cold, gnu::noinline]] void report_underflow(uintptr_t block);

// A block that is about to be handed out: it is live, or not as it was left.
[[noreturn, gnu::cold, gnu::noinline]] void report_bad_reuse(uintptr_t block);

}  // namespace hakmem::hardened
