// heap/past_gate.h: what would have been a hit, but for the gate of a profiled thread.
//
// Responsibility  Pop and push past the gate, where there is nothing else to do, and count.
// Contract        Each does nothing for threads that are not profiled, and for one that is inside. Requests of up to kTinyMax
//                 have pop_counted() (heap.h), which marks nothing; these are inside for a step.
// Observable      The cache's allowance.
// Composable      front/thread_cache, inside. Used by heap.
#pragma once

#include "front/thread_cache.h"
#include "heap/inside.h"

namespace hakmem::heap {

// A profiled thread's cache; nullptr for the others, and while it is inside.
inline ThreadCache* gated_cache() { return t_front->is_gated() ? static_cast<ThreadCache*>(t_front) : nullptr; }

// As pop_counted(), for what lies above kTinyMax.
inline void* pop_counted_above_tiny(size_t size) {
  if (size <= kTinyMax || size > kLargeMax) return nullptr;
  ThreadCache* cache = gated_cache();
  if (cache == nullptr || cache->would_take(size)) return nullptr;
  const Inside inside(cache);
  void* block = cache->step_down(mid_class_of(size));
  if (block != nullptr) cache->takes(size);
  return block;
}

// The same way back.
inline bool push_counted(void* block) {
  ThreadCache* cache = gated_cache();
  if (cache == nullptr) return false;
  const uint32_t size_class = cache->own_class_of(block);
  if (size_class < kTinyClasses || size_class >= kClasses) return false;
  const Inside inside(cache);
  return cache->step_up(ClassIndex(size_class), block);
}

// What lies on the stack; more is not to be had between the fork handlers.
inline void* pop_past_gate(ThreadCache* cache, ClassIndex c) {
  if (c.count() < kTinyClasses) return cache->pop(c);
  const Inside inside(cache);
  void* block = cache->step_down(c);
  return block != nullptr ? block : cache->step_down(c);  // it may have been a slow path's turn
}

}  // namespace hakmem::heap
