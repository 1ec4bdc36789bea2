// schedule/os_thread.h: what a life does where the library starts a thread of its own, and where that one pauses.
//
// Responsibility  Make such a thread one of the scheduled ones.
// Contract        Set before run(). Without it no thread can be started, and a pause only lets others run. A lock's
//                 waiters come by as well: each wait names its word.
// Observable      Nothing.
// Composable      os/thread. Used by scavenged.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/units.h"

namespace schedule {

using ThreadBody = void* (*)(void*);

struct ThreadHooks {
  void (*start)(ThreadBody body);
  void (*pause)(std::atomic<uint32_t>* word, hakmem::Milliseconds at_most);
  void (*before_wait)(std::atomic<uint32_t>* word, uint32_t expected);
  void (*after_wait)(std::atomic<uint32_t>* word, uint32_t expected);
};
void set_thread_hooks(const ThreadHooks* hooks);

}  // namespace schedule
