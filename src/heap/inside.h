// heap/inside.h: "this thread is inside the allocator".
//
// Responsibility  Make a signal handler that interrupts the allocator see a busy thread.
// Contract        While an Inside lives, this thread's front is kBusyFront: a handler's malloc and free
//                 miss every stack and take no lock that the interrupted frame may hold. Every entry
//                 that takes a lock of ours holds one. One within another changes nothing: a handler's own
//                 calls may hold one while the interrupted frame does.
// Observable      t_front == &kBusyFront.
// Composable      front/cache_front. Used by heap, observe.
#pragma once

#include "front/cache_front.h"

namespace hakmem {

class Inside {
 public:
  Inside() : Inside(t_front) {}
  // For a caller that has read t_front.
  explicit Inside(CacheFront* front) : front_(front) {
    t_front = const_cast<CacheFront*>(&kBusyFront);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  ~Inside() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    t_front = front_;
  }
  // The thread goes on with another one.
  void set_front(CacheFront* front) { front_ = front; }
  // What it was before.
  CacheFront* front() const { return front_; }

  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  CacheFront* front_;
};

}  // namespace hakmem
