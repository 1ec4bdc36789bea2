// observe/standstill.h: every bitmap stands still, and the scavenger rests.
//
// Responsibility  Hold the list's and every cache's lock for as long as somebody looks.
// Contract        Taken as fork takes them: list, holes (so no block is claimed for a purge), then caches
//                 by id. Only stacks still move.
// Observable      Nothing.
// Composable      cache_list, scavenger. Used by invariants.
#pragma once

#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "front/thread_cache.h"
#include "heap/scavenger.h"

namespace hakmem {

class Standstill {
 public:
  Standstill() {
    cache_list().lock().lock();
    hole_purge().lock().lock();
    cache_list().for_each([](ThreadCache& cache) { cache.lock().lock(); });
  }
  ~Standstill() {
    cache_list().for_each([](ThreadCache& cache) { cache.lock().unlock(); });
    hole_purge().lock().unlock();
    cache_list().lock().unlock();
  }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;
};

// No round of the scavenger, for a program whose threads are stopped: what it has detached is released by
// then. May be nested.
class Rest {
 public:
  Rest() : is_mine_(!scavenger::round_lock().held_by_me()) {
    if (is_mine_) scavenger::round_lock().lock();
  }
  ~Rest() {
    if (is_mine_) scavenger::round_lock().unlock();
  }
  Rest(const Rest&) = delete;
  Rest& operator=(const Rest&) = delete;

 private:
  const bool is_mine_;
};

}  // namespace hakmem
