#include "os/thread.h"

#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {
constexpr long kFutexWaitPrivate = 128;
constexpr long kFutexWakePrivate = 129;
}  // namespace

void futex_wait(std::atomic<uint32_t>* word, uint32_t expected) {
  raw_syscall(SYS_futex, reinterpret_cast<long>(word), kFutexWaitPrivate,
              static_cast<long>(expected));
}

void futex_wake_one(std::atomic<uint32_t>* word) {
  raw_syscall(SYS_futex, reinterpret_cast<long>(word), kFutexWakePrivate, 1);
}

}  // namespace hakmem::os
