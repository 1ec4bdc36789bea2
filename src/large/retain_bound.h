// large/retain_bound.h: how much of the freed huge blocks may stay mapped.
//
// Responsibility  Learn from what was unmapped and then missed.
// Contract        A sixteenth of the heap, or a block or two; and as much more as was mapped afresh within a decay
//                 time of being unmapped, until it lay unused for one. So a program that frees a huge block once
//                 gives it back, and one that goes on freeing and taking them does without the system.
//                 Not locked: the huge blocks' lock.
// Observable      limit().
// Composable      base. Used by huge.
#pragma once

#include "base/units.h"

namespace hakmem {

class RetainBound {
 public:
  constexpr RetainBound() = default;

  Bytes limit(Bytes heap) const {
    const size_t share = heap.count() / kShare;
    return Bytes((share < kMin ? kMin : share) + learned_);
  }

  // What may still be retained when so much is live: as much.
  static Bytes beside(Bytes live) { return live < Bytes(kMin) ? Bytes(kMin) : live; }

  // For this bound's sake.
  void note_unmapped(Bytes size, Milliseconds now, Milliseconds decay_time) {
    if (now - unmapped_at_ > decay_time) unmapped_ = 0;
    unmapped_ += size.count();
    unmapped_at_ = now;
  }

  void note_mapped(Bytes size, Milliseconds now, Milliseconds decay_time) {
    if (now - unmapped_at_ > decay_time) unmapped_ = 0;
    const size_t missed = size.count() < unmapped_ ? size.count() : unmapped_;
    unmapped_ -= missed;
    learned_ += missed;
  }

  void forget() { learned_ = unmapped_ = 0; }

  void note_unused(Bytes size) { learned_ -= size.count() < learned_ ? size.count() : learned_; }

 private:
  // Retained pages are the peak of a small process.
  static constexpr size_t kMin = size_t{5} << 20;
  static constexpr size_t kShare = 16;

  size_t learned_ = 0;
  size_t unmapped_ = 0;  // and not missed so far
  Milliseconds unmapped_at_;
};

}  // namespace hakmem
