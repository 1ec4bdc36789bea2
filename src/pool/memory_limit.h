// pool/memory_limit.h: how much memory the process may have, and how much of it may lie unused.
//
// Responsibility  Say how much freed memory may be kept under a limit, when the limit is near, and how far
//                 the process has to go because others need memory.
// Contract        The limit is HAKMEM_MEMORY_LIMIT, or what set() was told (a cgroup's); none by default.
//                 Freed memory is kept only up to three quarters of it, counted with what is in use; the
//                 limit is near at seven eighths. Under pressure nothing is kept, and on the last rung the
//                 caches get nothing more. It is a bound for what is *kept*: no request is refused because of
//                 it.
// Observable      limit(), huge(), rung().
// Composable      config; the pool and the huge blocks tell what they have, heap (pressure) what the kernel
//                 says. Used by pool, large, front (budget), heap (upkeep).
#pragma once

#include <atomic>

#include "base/units.h"

namespace hakmem {

class MemoryLimit {
 public:
  // What pressure has led to; each rung does what those before it do.
  enum class Rung : uint32_t { kCalm, kKeepNothing, kPurge, kShrinkCaches };

  constexpr MemoryLimit() = default;

  // SIZE_MAX: none.
  Bytes limit() const;
  void set(Bytes limit) { found_.store(limit.count(), std::memory_order_relaxed); }

  Rung rung() const { return rung_.load(std::memory_order_relaxed); }
  void set_rung(Rung rung) { rung_.store(rung, std::memory_order_relaxed); }

  // There is one, or pressure: freed memory is not kept as it comes.
  bool is_felt() const { return limit().count() != SIZE_MAX || rung() != Rung::kCalm; }
  // What may lie unused, all kinds together, beside `in_use`.
  Bytes spare(Bytes in_use) const;
  // What may lie in caches beyond what every thread gets.
  Bytes for_caches() const;
  bool is_near(Bytes used) const;

  // Of huge blocks' mappings, retained ones included.
  void note_huge(Bytes mapped) { huge_.store(mapped.count(), std::memory_order_relaxed); }
  Bytes huge() const { return Bytes(huge_.load(std::memory_order_relaxed)); }

 private:
  // sync: none, bounds that may be a little old.
  std::atomic<size_t> found_{SIZE_MAX};
  std::atomic<size_t> huge_{0};
  std::atomic<Rung> rung_{Rung::kCalm};
};

MemoryLimit& memory_limit();

}  // namespace hakmem
