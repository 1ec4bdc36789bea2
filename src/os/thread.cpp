#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

constexpr long kSetMask = 2;
// Nothing of ours runs deep; libc puts the thread-local memory of all libraries there too.
constexpr size_t kStackBytes = size_t{256} << 10;
// Libc's own two: cancellation, and setuid() for all threads.
constexpr uint64_t kAllButLibcs = ~(uint64_t{3} << 31);

uint64_t change_signal_mask(const uint64_t* mask) {
  uint64_t old = 0;
  raw_syscall(SYS_rt_sigprocmask, kSetMask, reinterpret_cast<long>(mask),
              reinterpret_cast<long>(&old), sizeof old);
  return old;
}

bool create(void* (*body)(void*), size_t stack_bytes) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (stack_bytes != 0) pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread;
  const bool created = pthread_create(&thread, &attributes, body, nullptr) == 0;
  pthread_attr_destroy(&attributes);
  return created;
}

}  // namespace

void futex_wait(std::atomic<uint32_t>* word, uint32_t expected) {
  raw_syscall(SYS_futex, reinterpret_cast<long>(word), kFutexWaitPrivate,
              static_cast<long>(expected));
}

void futex_wait_for(std::atomic<uint32_t>* word, uint32_t expected, Milliseconds at_most) {
  timespec wait{};
  wait.tv_sec = static_cast<time_t>(at_most.count() / 1000);
  wait.tv_nsec = static_cast<long>(at_most.count() % 1000 * 1'000'000);
  raw_syscall(SYS_futex, reinterpret_cast<long>(word), kFutexWaitPrivate,
              static_cast<long>(expected), reinterpret_cast<long>(&wait));
}

void futex_wake_one(std::atomic<uint32_t>* word) {
  raw_syscall(SYS_futex, reinterpret_cast<long>(word), kFutexWakePrivate, 1);
}

bool start_thread(void* (*body)(void*)) {
  const int saved = errno;  // libc sets it when it fails
  const uint64_t old = change_signal_mask(&kAllButLibcs);
  // Where libraries have much thread-local memory only the default stack is large enough.
  const bool created = create(body, kStackBytes) || create(body, 0);
  change_signal_mask(&old);
  errno = saved;
  return created;
}

void name_thread(const char* name) {
  raw_syscall(SYS_prctl, PR_SET_NAME, reinterpret_cast<long>(name));
}

bool has_blocked_signals() { return change_signal_mask(nullptr) != 0; }

}  // namespace hakmem::os
