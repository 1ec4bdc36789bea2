// heap/heap.h: what an allocation request means.
//
// Responsibility  Dispatch by size and by whose the pointer is: cache, huge, libc's, nobody's.
// Contract        Failure is nullptr; errno is never touched (api/ sets it). Sizes above
// PTRDIFF_MAX
//                 fail. A pointer that is neither ours nor libc's ends the process with one line.
//                 The inline halves make no call on a hit and write nothing but the stack's top.
// Observable      Nothing of its own.
// Composable      front, large, lifecycle. Used by api.
#pragma once

#include "superslab/registry.h"
#include "front/cache_front.h"

namespace hakmem::heap {

[[gnu::cold, gnu::noinline]] void* allocate_slow(size_t size);
// The same after pop_counted(), which comes first because a profiled thread's every call goes there.
[[gnu::cold, gnu::noinline]] void* allocate_missed(size_t size);
[[gnu::cold, gnu::noinline]] void deallocate_slow(void* block);

// nullptr when the fast path has nothing: then allocate_slow().
inline void* try_allocate_tiny(size_t size) {
  CacheFront* front = t_front;
  return front->pop(front->tiny_class_of(size));
}
inline void* try_allocate_above_tiny(size_t size) {
  return size <= kLargeMax ? t_front->pop(mid_class_of(size)) : nullptr;
}
inline void* try_allocate(size_t size) {
  return size <= kTinyMax ? try_allocate_tiny(size) : try_allocate_above_tiny(size);
}

// What would have been a hit, but for the gate of a profiled thread; nullptr for the others, and above kTinyMax.
[[gnu::always_inline]] inline void* pop_counted(size_t size) {
  return size <= kTinyMax ? t_front->pop_counted(size) : nullptr;
}

// False when the fast path cannot: then deallocate_slow().
inline bool try_deallocate(void* block) {
  CacheFront* front = t_front;
  const uint32_t size_class = front->own_class_of(block);
  if (size_class >= kClasses) [[unlikely]] return false;
  return front->push(ClassIndex(size_class), block);
}

// The last `slack` bytes stay as they are.
void* allocate_zeroed(size_t size, size_t slack = 0);

// `alignment` is a power of two.
void* allocate_aligned(size_t alignment, size_t size);

// As C's realloc: nullptr leaves the block as it was; size 0 frees it and returns nullptr, as glibc.
void* reallocate(void* block, size_t size);

// A huge block of ours, of `old_size` bytes, grows or shrinks: where it lies then. nullptr leaves it as it was.
void* resize_huge(void* block, size_t old_size, size_t size);

// Bytes the program may use behind `block`; 0 for nullptr.
size_t usable_size(void* block);

// Bytes that a block of `size` would have; 0 when nobody gets that much.
size_t good_size(size_t size);

// As try_deallocate(), where the caller knows the size: a wrong one takes the slow path.
inline bool try_deallocate_sized(void* block, size_t size) {
  if (size > kTinyMax) [[unlikely]] return false;
  CacheFront* front = t_front;
  const ClassIndex size_class = front->tiny_class_of(size);
  if (front->own_class_of(block) != size_class.count()) [[unlikely]] return false;
  return front->push(size_class, block);
}

// `size` and `alignment` (a power of two, 1 when it was not given) are what the block was asked for
// with: what does not fit is counted, and said once; the block is freed all the same.
[[gnu::cold, gnu::noinline]] void deallocate_sized_slow(void* block, size_t size, size_t alignment);
uint64_t sized_mismatches();

// Empties the calling thread's cache: it is going to sleep.
void idle();

// Gives back all that can be given back; true when pages went back to the system.
bool trim();

}  // namespace hakmem::heap
