// heap/deferred.h: frees that came while their thread was inside the allocator.
//
// Responsibility  Keep what a signal handler frees when it interrupted a slow path of its own thread.
// Contract        put() and take() never wait and never allocate; put() is false when all places are
//                 taken, and then the block is lost. Any thread may take what another put.
// Observable      waiting().
// Composable      Needs <atomic>. Used by heap.
#pragma once

#include <atomic>

namespace hakmem {

class DeferredFrees {
 public:
  constexpr DeferredFrees() = default;

  bool put(void* block) {
    for (std::atomic<void*>& place : places_) {
      void* expected = nullptr;
      // sync: deferred. release hands the block to whoever takes it with acquire.
      if (place.compare_exchange_strong(expected, block, std::memory_order_release,
                                        std::memory_order_relaxed)) {
        waiting_.exchange(true, std::memory_order_release);
        return true;
      }
    }
    return false;
  }

  // relaxed: a hint, looked at after every slow path.
  bool waiting() const { return waiting_.load(std::memory_order_relaxed); }

  // Calls free_block for each; what is put meanwhile waits for the next call.
  template <class FreeBlock>
  void take_all(FreeBlock free_block) {
    waiting_.exchange(false, std::memory_order_acquire);
    for (std::atomic<void*>& place : places_) {
      if (void* block = place.exchange(nullptr, std::memory_order_acquire); block != nullptr) {
        free_block(block);
      }
    }
  }

 private:
  // A handler frees a few blocks; a program whose handlers free hundreds is beyond help.
  static constexpr int kPlaces = 64;

  std::atomic<void*> places_[kPlaces] = {};
  // sync: deferred hint. Only changed by read-modify-writes, whose order is total, and each of which passes on what
  // those before it released. A take behind a put has acquired that block's place, and empties it; a put behind a
  // take leaves true for the next. A plain store here could be overtaken by the looks at the places.
  std::atomic<bool> waiting_{false};
};

}  // namespace hakmem
