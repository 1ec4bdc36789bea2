// large/retain_bound.h: how much of the freed huge blocks may stay mapped.
//
// Responsibility  Remember how much was live lately, and learn from what was unmapped and then missed.
// Contract        What is live and what is retained are together at most half as much again as the most that was live
//                 within the last one to three decay times, or a block or two more than what is live. Where nobody
//                 watches the clock, what is retained is also at most a sixteenth of the heap, or a block or two; and
//                 some times as much more as was mapped afresh within a decay time of being unmapped, until it lay
//                 unused for one; but never more than the process may fall asleep on. So a program that frees a huge
//                 block once gives it back, and one that goes on freeing and taking them does without the system.
//                 Not locked: the huge blocks' lock.
// Observable      beside(), unwatched(), unwatched_most().
// Composable      base. Used by huge.
#pragma once

#include "base/units.h"

namespace hakmem {

class RetainBound {
 public:
  constexpr RetainBound() = default;

  // While so much is live.
  Bytes beside(Bytes live) const {
    const size_t peak = peak_before_ < peak_ ? peak_ : peak_before_;
    const size_t total = peak + peak / 2;
    return Bytes(total < live.count() + kMin ? kMin : total - live.count());
  }

  // Where only ticks give back, and the process may fall asleep first: what a free may leave.
  Bytes unwatched(Bytes heap) const {
    const size_t share = heap.count() / kShare;
    const Bytes learned((share < kMin ? kMin : share) + learned_);
    const Bytes most = unwatched_most(heap);
    return learned < most ? learned : most;
  }

  // However much was missed; so what was retained beside a larger heap goes down to this.
  static Bytes unwatched_most(Bytes heap) {
    const size_t most = heap.count() * kMostShare;
    return Bytes(most < kMostMin ? kMostMin : most);
  }

  void note_live(Bytes live, Milliseconds now, Milliseconds decay_time) {
    const Milliseconds age = now - peak_since_;
    if (age > decay_time) {
      peak_before_ = age > decay_time + decay_time ? 0 : peak_;
      peak_ = 0;
      peak_since_ = now;
    }
    if (live.count() > peak_) peak_ = live.count();
  }

  // For the unwatched bound's sake.
  void note_unmapped(Bytes size, Milliseconds now, Milliseconds decay_time) {
    if (now - unmapped_at_ > decay_time) unmapped_ = 0;
    unmapped_ += size.count();
    unmapped_at_ = now;
  }

  void note_mapped(Bytes size, Milliseconds now, Milliseconds decay_time) {
    if (now - unmapped_at_ > decay_time) unmapped_ = 0;
    const size_t missed = size.count() < unmapped_ ? size.count() : unmapped_;
    unmapped_ -= missed;
    learned_ += kBoldness * missed;
  }

  void forget() { learned_ = unmapped_ = 0; }

  void note_unused(Bytes size) {
    const size_t unlearned = kBoldness * size.count();
    learned_ -= unlearned < learned_ ? unlearned : learned_;
  }

 private:
  // Retained pages are the peak of a small process.
  static constexpr size_t kMin = size_t{5} << 20;
  static constexpr size_t kShare = 16;
  // The process may fall asleep on this much (64 MiB, and what a block's last huge page has beyond it), or on twice
  // what its heap has.
  static constexpr size_t kMostMin = size_t{66} << 20;
  static constexpr size_t kMostShare = 2;
  // Each lesson costs the page faults of what was missed.
  static constexpr size_t kBoldness = 16;

  size_t learned_ = 0;
  size_t unmapped_ = 0;  // and not missed so far
  Milliseconds unmapped_at_;
  size_t peak_ = 0;  // since then
  Milliseconds peak_since_;
  size_t peak_before_ = 0;  // in the decay time before
};

}  // namespace hakmem
