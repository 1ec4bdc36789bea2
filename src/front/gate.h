// front/gate.h: a front that misses always, so that each call of a thread is counted.
//
// Responsibility  Stand before a thread's cache while it is profiled.
// Contract        Its stacks are empty and no slot is its own, so malloc and free miss and find the cache
//                 behind it. What is behind stays as it was. A thread passes its gate or not: t_front says.
//                 Owner-only.
// Observable      allowance.
// Composable      cache_front. Used by profile, heap.
#pragma once

#include "front/cache_front.h"

namespace hakmem {

class ThreadCache;

inline constexpr uint32_t kGateTag = make_tag(kGateOwner, ClassIndex(0));

struct Gate : CacheFront {
  // Both are the cache, of which more is not known here.
  Gate(ThreadCache* behind_it, CacheFront* its_front)
      : CacheFront(kGateTag, empty_stack(), no_message()), cache(behind_it), behind(its_front) {}

  // True when the bytes until the next sample lie within these.
  bool takes(size_t bytes) {
    allowance -= static_cast<int64_t>(bytes);
    return allowance < 0;
  }
  bool would_take(size_t bytes) const { return allowance < static_cast<int64_t>(bytes); }

  // A hit behind the gate that is no sample.
  void* pop_counted(size_t bytes) {
    const int64_t left = allowance - static_cast<int64_t>(bytes);
    if (left < 0) return nullptr;
    void* block = behind->pop(bytes <= kTinyMax ? behind->tiny_class_of(bytes) : mid_class_of(bytes));
    if (block != nullptr) allowance = left;
    return block;
  }

  ThreadCache* const cache;
  CacheFront* const behind;
  int64_t allowance = 0;  // bytes until the next sample
};

// The constant ones and the gates lie above all caches' tags: one compare for both.
inline bool is_cache(const CacheFront* front) { return front->tag < kGateTag; }

// nullptr when the thread does not pass one.
inline Gate* gate_of(CacheFront* front) {
  return front->tag == kGateTag ? static_cast<Gate*>(front) : nullptr;
}

}  // namespace hakmem
