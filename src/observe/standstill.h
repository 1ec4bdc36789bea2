// observe/standstill.h: every bitmap stands still.
//
// Responsibility  Hold the list's and every cache's lock for as long as somebody looks.
// Contract        Taken as fork takes them: list, holes (so no block is claimed for a purge), then caches
//                 by id. Only stacks still move.
// Observable      Nothing.
// Composable      cache_list. Used by snapshot and invariants.
#pragma once

#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "front/thread_cache.h"

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

}  // namespace hakmem
