// os/thread for scheduled threads: who waits for a lock waits in the scheduler.
#include "os/thread.h"

#include "schedule/os_thread.h"
#include "schedule/scheduler.h"

namespace {

// Written before there is a second thread.
const schedule::ThreadHooks* g_hooks = nullptr;

}  // namespace

void schedule::set_thread_hooks(const ThreadHooks* hooks) { g_hooks = hooks; }

namespace hakmem::os {

namespace {

// The scheduler compares it at a moment when nobody else runs.
const volatile uint32_t* plain(std::atomic<uint32_t>* word) {
  static_assert(sizeof *word == sizeof(uint32_t));
  return reinterpret_cast<const volatile uint32_t*>(word);
}

}  // namespace

void futex_wait(std::atomic<uint32_t>* word, uint32_t expected) {
  if (g_hooks != nullptr) g_hooks->before_wait(word, expected);
  schedule::wait_on(plain(word), expected);
  if (g_hooks != nullptr) g_hooks->after_wait(word, expected);
}
// Time stands still, so whoever waits for a while only lets others run.
void futex_wait_for(std::atomic<uint32_t>* word, uint32_t, Milliseconds at_most) {
  if (g_hooks != nullptr) g_hooks->pause(word, at_most);
  schedule::point();
}
void futex_wake_one(std::atomic<uint32_t>* word) { schedule::wake_one(plain(word)); }

bool start_thread(void* (*body)(void*)) {
  if (g_hooks != nullptr) g_hooks->start(body);
  return g_hooks != nullptr;
}
void name_thread(const char*) {}
bool has_blocked_signals() { return false; }

}  // namespace hakmem::os
