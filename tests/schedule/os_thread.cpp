// os/thread for scheduled threads: who waits for a lock waits in the scheduler.
#include "os/thread.h"

#include "schedule/scheduler.h"

namespace hakmem::os {

namespace {

// The scheduler compares it at a moment when nobody else runs.
const volatile uint32_t* plain(std::atomic<uint32_t>* word) {
  static_assert(sizeof *word == sizeof(uint32_t));
  return reinterpret_cast<const volatile uint32_t*>(word);
}

}  // namespace

void futex_wait(std::atomic<uint32_t>* word, uint32_t expected) {
  schedule::wait_on(plain(word), expected);
}
// Time stands still, so whoever waits for a while only lets others run.
void futex_wait_for(std::atomic<uint32_t>*, uint32_t, Milliseconds) { schedule::point(); }
void futex_wake_one(std::atomic<uint32_t>* word) { schedule::wake_one(plain(word)); }

bool start_thread(void* (*)(void*)) { return false; }
void name_thread(const char*) {}
bool has_blocked_signals() { return false; }

}  // namespace hakmem::os
