// hardened/hardened.h: the heap with every block's history checked. Hardened flavour only.
//
// Responsibility  Between the entry points and the heap: remember of each block that it is live, what
//                 asked for it and how much, surround it with canaries, and check all of it.
// Contract        As heap.h's functions. A wrong free ends the process at once, with a report. A block
//                 has kCanaryBytes more than was asked for; usable_size() is what was asked for. Blocks
//                 up to kTinyMax are zero before they are handed out, and nothing else was written to
//                 them since they were freed. What is freed waits in the cache's quarantine. While it
//                 works on a stack the thread is marked busy, so a signal handler's calls are sound.
// Observable      The reports (superslab/misuse.h).
// Composable      heap, front, large, superslab. Used by api. In the default flavour nobody calls it, and
//                 it is not linked.
#pragma once

#include <cstddef>

#include "superslab/block_record.h"

namespace hakmem::hardened {

inline constexpr size_t kAnySize = SIZE_MAX;

void* allocate(size_t size, Origin origin);
void* allocate_zeroed(size_t size);
void* allocate_aligned(size_t alignment, size_t size, Origin origin);
void* reallocate(void* block, size_t size);

void deallocate(void* block, Origin origin);
void deallocate_sized(void* block, size_t size, Origin origin);
// `size` may be kAnySize.
void deallocate_aligned(void* block, size_t size, size_t alignment, Origin origin);

size_t usable_size(void* block);

}  // namespace hakmem::hardened
