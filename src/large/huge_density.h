// large/huge_density.h: whether huge blocks are written from end to end, by what earlier ones were.
//
// Responsibility  Choose the blocks that are looked at, and say what those to come will be like.
// Contract        Of a block a quarter of which came in small pages of its own the pages tell how much was written; what
//                 was retained has pages of whoever had it before, and a huge page is there as a whole. So of eight fresh
//                 blocks with huge pages one is watched for what is in it: zeroes leave a doubt, and one of the next
//                 eight gets small pages. Of one with huge pages which grows it counts only that it has all of them,
//                 for its size, or not. A dense block speaks for blocks of up to twice its size, and for eight
//                 times as many bytes at a time; and for as many again while it lives and does not grow, once it was seen
//                 to be full. Where only every second block is full those run out at twice what is spoken for otherwise.
//                 A sparse one ends that, and the next fifteen are not looked at. Not locked: the huge blocks' lock.
// Observable      expects().
// Composable      base. Used by huge.
#pragma once

#include "base/units.h"

namespace hakmem {

class HugeDensity {
 public:
  constexpr HugeDensity() = default;

  // A block of this size will be dense, and may get huge pages beside those that have them already, of which so much was
  // seen to be full.
  bool expects(Bytes size, Bytes asked, Bytes full) const {
    return size.count() <= 2 * largest_ && (asked + size).count() <= spoken_for_ + kLookEvery * full.count();
  }

  // The same of one that is all fresh. After a doubt one of the next eight gets small pages, of which it can be seen.
  bool expects_fresh(Bytes size, Bytes asked, Bytes full) {
    if (!expects(size, asked, full)) return false;
    return small_in_ == 0 || --small_in_ != 0;
  }

  // True for one of eight fresh blocks with huge pages: it is to be watched.
  bool takes_a_look() {
    const uint32_t turn = turn_++;
    return turn % kLookEvery == place_in_eight(turn / kLookEvery);
  }

  // What is in a block with huge pages tells nothing of its density.
  void doubt() {
    if (small_in_ == 0) small_in_ = 1 + place_in_eight(++doubts_);
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
    *place = address;
    next_ = static_cast<uint32_t>(place - watched_);
    looks_left_ = looks_left_ + kLooksEach < kWatched ? looks_left_ + kLooksEach : kWatched;
  }

  // One of the blocks that are watched, each in its turn, and the newest first: it may be full already. 0: none, or there
  // were two looks for each of them.
  uintptr_t next_watched() {
    if (looks_left_ == 0) return 0;
    --looks_left_;
    for (uint32_t i = 0; i < kWatched; ++i) {
      const uintptr_t address = watched_[next_];
      next_ = (next_ + 1) % kWatched;
      if (address != 0) return address;
    }
    return 0;
  }

  bool watches(uintptr_t address) { return place_of(watched_, address) != nullptr; }

  // True when it was watched.
  bool forget(uintptr_t address) { return take(watched_, address); }

  // Of pages that tell how much of the block was written, or of what is in them.
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
  static constexpr uint32_t kLooksEach = 2;
  static constexpr uint32_t kUnwatchedAfterSparse = 15;

  using Places = uintptr_t[kWatched];  // 0: none

  // Another for each eight: one that stays would be the same block of whatever comes in twos, fours or eights.
  static uint32_t place_in_eight(uint32_t eight) { return (eight + 1) * 0x9e3779b9u >> 29; }

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
  uint32_t next_ = 0;  // place to be looked at
  uint32_t overwritten_ = 0;
  uint32_t unwatched_ = 0;
  uint32_t turn_ = 0;
  uint32_t doubts_ = 0;
  uint32_t small_in_ = 0;    // so many fresh blocks; 0: no doubt
  uint32_t looks_left_ = 0;  // at blocks that live
  size_t largest_ = 0;       // that was dense
  size_t seen_ = 0;          // of these, that was seen to be written
  size_t spoken_for_ = 0;
};

}  // namespace hakmem
