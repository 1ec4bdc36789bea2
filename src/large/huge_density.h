// large/huge_density.h: whether huge blocks are written from end to end, by what earlier ones were.
//
// Responsibility  Choose the blocks that are looked at, and say what those to come will be like.
// Contract        Only a block of which a quarter and more came in small pages of its own tells much: what was
//                 retained has pages of whoever had it before, and a huge page is there as a whole. So of a block with huge
//                 pages which grows it counts only that it has all of them, for its size, or not. A dense block speaks
//                 for blocks of up to twice its size, and for eight times as many bytes at a time; a sparse one ends that,
//                 and the next fifteen are not looked at. Of fresh blocks that are taken for dense each eighth stays with
//                 small pages, to be looked at. Not locked: the huge blocks' lock.
// Observable      expects().
// Composable      base. Used by huge.
#pragma once

#include "base/units.h"

namespace hakmem {

class HugeDensity {
 public:
  constexpr HugeDensity() = default;

  // A block of this size will be dense, and may get huge pages beside those that have them already.
  bool expects(Bytes size, Bytes asked) const {
    return size.count() <= 2 * largest_ && (asked + size).count() <= spoken_for_;
  }

  // The same of one that is all fresh, but for those that are to be looked at.
  bool expects_unwatched(Bytes size, Bytes asked) {
    if (!expects(size, asked)) return false;
    turn_ = (turn_ + 1) % kLookEvery;
    return turn_ != 0;
  }

  // To be looked at when its program is done with it. Some may stay for ever: now and then a new one takes such a place.
  void watch(uintptr_t address) {
    if (unwatched_ != 0) {
      --unwatched_;
      return;
    }
    uintptr_t* place = place_of(watched_, 0);
    if (place == nullptr) {
      overwritten_ = (overwritten_ + 1) % (kWatched * kLookEvery);
      if (overwritten_ % kLookEvery != 0) return;
      place = &watched_[overwritten_ / kLookEvery];
    }
    *place = last_ = address;
  }

  // The last block that is watched, once: it may be full already when the next one is wanted. 0: none, or enough is known.
  uintptr_t take_last() {
    const uintptr_t last = largest_ == 0 ? last_ : 0;
    last_ = 0;
    return last != 0 && watches(last) ? last : 0;
  }

  bool watches(uintptr_t address) { return place_of(watched_, address) != nullptr; }

  // True when it was watched.
  bool forget(uintptr_t address) { return take(watched_, address); }

  // Of small pages.
  void note(Bytes size, bool is_dense) {
    if (!is_dense) {
      largest_ = seen_ = spoken_for_ = 0;
      unwatched_ = kUnwatchedAfterSparse;
      return;
    }
    if (size.count() > largest_) largest_ = size.count();
    if (size.count() > seen_) seen_ = size.count();
    spoken_for_ += kLookEvery * size.count();
    const size_t most = 2 * kLookEvery * seen_;
    if (spoken_for_ > most) spoken_for_ = most;
  }

  // All huge pages of a block are there. That each is full it does not tell: such a block may be larger, but not more of them.
  void note_whole(Bytes size) {
    if (largest_ != 0 && size.count() > largest_) largest_ = size.count();
  }

 private:
  static constexpr uint32_t kLookEvery = 8;
  static constexpr uint32_t kWatched = 8;
  static constexpr uint32_t kUnwatchedAfterSparse = 15;

  using Places = uintptr_t[kWatched];  // 0: none

  static uintptr_t* place_of(Places& places, uintptr_t address) {
    for (uintptr_t& place : places) {
      if (place == address) return &place;
    }
    return nullptr;
  }
  static bool take(Places& places, uintptr_t address) {
    uintptr_t* place = place_of(places, address);
    if (place != nullptr) *place = 0;
    return place != nullptr;
  }

  Places watched_ = {};
  uintptr_t last_ = 0;
  uint32_t overwritten_ = 0;
  uint32_t unwatched_ = 0;
  uint32_t turn_ = 0;
  size_t largest_ = 0;  // that was dense
  size_t seen_ = 0;     // of these, in small pages
  size_t spoken_for_ = 0;
};

}  // namespace hakmem
