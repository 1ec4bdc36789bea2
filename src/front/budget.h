// front/budget.h: how much all thread caches may hold together.
//
// Responsibility  Grant stack capacity, in bytes of blocks, from one process-wide sum.
// Contract        granted() <= limit() after every grant; what was granted is handed back. The
// first
//                 few entries of each class are not counted: every thread gets them.
// Observable      granted(), limit().
// Composable      config. Used by ThreadCache.
#pragma once

#include <atomic>

#include "base/units.h"

namespace hakmem {

class Budget {
 public:
  constexpr Budget() = default;

  bool grant(Bytes size);
  void hand_back(Bytes size);

  Bytes granted() const { return Bytes(granted_.load(std::memory_order_relaxed)); }
  // HAKMEM_CACHE_LIMIT, or 32 MiB for each thread that runs, of four at most, or a sixteenth
  // of what is committed, whichever is more; and at most a
  // sixteenth of the process's limit, and nothing while memory is very short.
  static Bytes limit();

 private:
  // sync: budget. A sum; relaxed because nothing else is decided by it.
  std::atomic<size_t> granted_{0};
};

Budget& budget();

}  // namespace hakmem
