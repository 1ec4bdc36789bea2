// api/entry.h: what malloc, operator new and hak_malloc have in common.
//
// Responsibility  The fast paths joined to their slow ones, and errno.
// Contract        ENOMEM on every failure of allocate*(); errno untouched otherwise. A hit makes no
//                 call. Alignments are checked by the caller.
// Observable      errno.
// Composable      heap. Used by api/ only.
#pragma once

#include <errno.h>

#include "heap/heap.h"

namespace hakmem::api {

[[gnu::cold, gnu::noinline]] inline void* allocate_slow(size_t size) {
  void* block = heap::allocate_slow(size);
  if (block == nullptr) errno = ENOMEM;
  return block;
}

[[gnu::always_inline]] inline void* allocate(size_t size) {
  // Apart, so that either has its registers to itself: one instruction less in each.
  if (size <= kTinyMax) {
    if (void* block = heap::try_allocate_tiny(size); block != nullptr) [[likely]]
      return block;
  } else {
    if (void* block = heap::try_allocate_above_tiny(size); block != nullptr) [[likely]]
      return block;
  }
  return allocate_slow(size);
}

[[gnu::always_inline]] inline void deallocate(void* block) {
  if (heap::try_deallocate(block)) [[likely]]
    return;
  heap::deallocate_slow(block);
}

[[gnu::always_inline]] inline void deallocate_sized(void* block, size_t size) {
  if (heap::try_deallocate_sized(block, size)) [[likely]]
    return;
  heap::deallocate_sized_slow(block, size, 1);
}

inline void* or_enomem(void* block) {
  if (block == nullptr) errno = ENOMEM;
  return block;
}

inline void* allocate_zeroed(size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return or_enomem(nullptr);
  return or_enomem(heap::allocate_zeroed(total));
}

inline void* reallocate(void* block, size_t size) {
  void* moved = heap::reallocate(block, size);
  // glibc's realloc(block, 0) frees, and that is no failure.
  if (moved == nullptr && (size != 0 || block == nullptr)) errno = ENOMEM;
  return moved;
}

inline void* allocate_aligned(size_t alignment, size_t size) {
  return or_enomem(heap::allocate_aligned(alignment, size));
}

}  // namespace hakmem::api
