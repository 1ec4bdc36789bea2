// api/entry.h: what malloc, operator new and hak_malloc have in common.
//
// Responsibility  The fast paths joined to their slow ones, and errno.
// Contract        ENOMEM on every failure of allocate*(); errno untouched otherwise. A hit makes no
//                 call. Alignments are checked by the caller.
// Observable      errno.
// Composable      heap; in the hardened flavour hardened, which lies around it. Used by api/ only.
#pragma once

#include <errno.h>

#include "heap/heap.h"
#include "hardened/tiny.h"

namespace hakmem::api {

inline void* or_enomem(void* block) {
  if (block == nullptr) errno = ENOMEM;
  return block;
}

[[gnu::cold, gnu::noinline]] inline void* allocate_slow(size_t size) {
  return or_enomem(heap::allocate_missed(size));
}

// A profiled thread's hit saves no register and makes no call.
[[gnu::cold, gnu::noinline]] inline void* allocate_tiny_slow(size_t size) {
  if (void* block = t_front->pop_counted(size); block != nullptr) return block;
  return allocate_slow(size);
}

// The hardened flavour's; what it does on its short ways needs no errno.
[[gnu::cold, gnu::noinline]] inline void* allocate_hardened_slow(void* block, size_t size, Origin origin) {
  return or_enomem(hardened::allocate_slow(block, size, origin));
}
[[gnu::cold, gnu::noinline]] inline void* allocate_zeroed_hardened_slow(void* block, size_t size,
                                                                        Origin origin) {
  return or_enomem(hardened::allocate_zeroed_slow(block, size, origin));
}

// `origin`: whose call it is. Only the hardened flavour remembers and compares it.

[[gnu::always_inline]] inline void* allocate(size_t size, Origin origin = Origin::kMalloc) {
  if constexpr (kHardened) return hardened::allocate<allocate_hardened_slow>(size, origin);
  // Apart, so that either has its registers to itself: one instruction less in each.
  if (size <= kTinyMax) {
    if (void* block = heap::try_allocate_tiny(size); block != nullptr) [[likely]]
      return block;
    return allocate_tiny_slow(size);
  }
  if (void* block = heap::try_allocate_above_tiny(size); block != nullptr) [[likely]]
    return block;
  return allocate_slow(size);
}

[[gnu::always_inline]] inline void deallocate(void* block, Origin origin = Origin::kMalloc) {
  if constexpr (kHardened) return hardened::deallocate(block, origin);
  if (heap::try_deallocate(block)) [[likely]]
    return;
  heap::deallocate_slow(block);
}

[[gnu::always_inline]] inline void deallocate_sized(void* block, size_t size,
                                                    Origin origin = Origin::kMalloc) {
  if constexpr (kHardened) return hardened::deallocate_sized(block, size, origin);
  if (heap::try_deallocate_sized(block, size)) [[likely]]
    return;
  heap::deallocate_sized_slow(block, size, 1);
}

inline void deallocate_aligned(void* block, size_t size, size_t alignment,
                               Origin origin = Origin::kMalloc) {
  if constexpr (kHardened) return hardened::deallocate_slow(block, size, alignment, origin);
  heap::deallocate_sized_slow(block, size, alignment);
}

inline void* allocate_zeroed(size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return or_enomem(nullptr);
  if constexpr (kHardened) {
    return hardened::allocate<allocate_zeroed_hardened_slow, hardened::Contents::kZero>(total, Origin::kMalloc);
  }
  return or_enomem(heap::allocate_zeroed(total));
}

inline void* reallocate_any(void* block, size_t size) {
  if constexpr (kHardened) return hardened::reallocate(block, size);
  return heap::reallocate(block, size);
}

inline void* reallocate(void* block, size_t size) {
  void* moved = reallocate_any(block, size);
  // glibc's realloc(block, 0) frees, and that is no failure.
  if (moved == nullptr && (size != 0 || block == nullptr)) errno = ENOMEM;
  return moved;
}

// nullptr leaves errno alone.
inline void* try_allocate_aligned(size_t alignment, size_t size, Origin origin = Origin::kMalloc) {
  if constexpr (kHardened) return hardened::allocate_aligned(alignment, size, origin);
  return heap::allocate_aligned(alignment, size);
}

inline void* allocate_aligned(size_t alignment, size_t size, Origin origin = Origin::kMalloc) {
  return or_enomem(try_allocate_aligned(alignment, size, origin));
}

inline size_t usable_size(void* block) {
  if constexpr (kHardened) return hardened::usable_size(block);
  return heap::usable_size(block);
}

// What the hardened flavour adds is for its checks.
inline size_t good_size(size_t size) {
  const size_t good = heap::good_size(size);
  return kHardened && good != 0 ? size : good;
}

}  // namespace hakmem::api
