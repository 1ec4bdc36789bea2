// pool/decay.h: how many EMPTY slots may be kept.
//
// Responsibility  Let what was freed fade out along a smooth curve instead of a cliff.
// Contract        advance(now, empty): called with the pool's count; allowed() never exceeds what
//                 was handed in, and reaches 0 one decay time after slots stopped becoming EMPTY.
//                 What is reused meanwhile leaves the count, so it is never purged: the curve
//                 learns what comes back. (Idea: jemalloc's smoothstep decay.)
// Observable      allowed().
// Composable      Plain data, no clock, no lock of its own: the pool calls it under its purge lock.
#pragma once

#include <array>

#include "base/units.h"

namespace hakmem {

class Decay {
 public:
  // Fine enough that a step purges a twentieth, coarse enough for a 50 ms tick at the default 1 s.
  static constexpr uint32_t kEpochs = 20;
  static constexpr uint64_t kNever = UINT64_MAX;

  constexpr Decay() = default;

  // Takes note of `empty` slots at time `now`; true when a new epoch began.
  bool advance(Milliseconds now, SlotCount empty, Milliseconds decay_time);

  SlotCount allowed() const { return allowed_; }

  // Slots that were purged: if as many become EMPTY again, they are new to the curve.
  void note_purged(SlotCount slots) {
    last_empty_ -= last_empty_ < slots.count() ? last_empty_ : slots.count();
  }

 private:
  void shift_epochs(uint64_t epochs);

  std::array<uint32_t, kEpochs> backlog_{};  // slots that became EMPTY, newest first
  uint32_t last_empty_ = 0;
  Milliseconds epoch_start_;
  SlotCount allowed_;
};

}  // namespace hakmem
