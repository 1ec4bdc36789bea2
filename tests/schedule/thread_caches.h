// schedule/thread_caches.h: threads of a life come and go.
//
// Responsibility  What heap does with a cache when its thread begins and ends, and that no mail is forgotten.
// Contract        Called by the thread itself; require_no_mail() when all have ended.
// Observable      fail().
// Composable      front, scheduler. Used by protocols and hand_overs.
#pragma once

#include "os/thread.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

#include "schedule/scheduler.h"

namespace schedule {

inline hakmem::ThreadCache* arrive() {
  hakmem::ThreadCache* cache = hakmem::cache_list().take_over();
  if (cache == nullptr) fail("no cache");
  cache->set_owner_thread(hakmem::os::thread_identity());
  return cache;
}

inline void depart(hakmem::ThreadCache* cache) {
  cache->leave();
  hakmem::cache_list().park(cache);
}

inline void require_no_mail(const char* what) {
  hakmem::cache_list().for_each([what](hakmem::ThreadCache& cache) {
    if (cache.has_mail()) fail(what, cache.id().count());
  });
}

}  // namespace schedule
