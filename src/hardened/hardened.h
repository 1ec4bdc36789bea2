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

// allocate(), deallocate() and deallocate_sized(), whose short ways are inline, are in tiny.h. These are
// their longer ones. `block` is one that the stack gave, or nullptr.
[[gnu::cold, gnu::noinline]] void* allocate_slow(void* block, size_t size, Origin origin);
// As calloc().
[[gnu::cold, gnu::noinline]] void* allocate_zeroed_slow(void* block, size_t size, Origin origin);
// From the stack; nullptr when there is none.
void* pop_above_tiny(size_t size);
// False, and it is as it was, when it is for allocate_slow() to look at.
bool try_arm_above_tiny(void* block, size_t size, Origin origin);
void deallocate_above_small(void* block, Origin origin);
void deallocate_sized_above_small(void* block, size_t size, Origin origin);
// Any block. `size` may be kAnySize, `alignment` 0.
[[gnu::noinline]] void deallocate_slow(void* block, size_t size, size_t alignment, Origin origin);
// A block that was in quarantine.
[[gnu::cold, gnu::noinline]] void release(void* waiting);

void* allocate_aligned(size_t alignment, size_t size, Origin origin);
void* reallocate(void* block, size_t size);

size_t usable_size(void* block);

}  // namespace hakmem::hardened
