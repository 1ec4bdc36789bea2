#include "os/sandbox.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>

#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

// sync: none. Written before there is a second thread.
constinit std::atomic<bool> g_filtered_at_start{false};
// sync: none. A filter is the calling thread's; one for all threads may find another of them in the middle of what it
// forbids, whoever says so when.
constinit std::atomic<bool> g_entered{false};

// sync: none. 0 before the options were read.
constinit std::atomic<long> g_process{0};

bool enters(int option) { return option == PR_SET_SECCOMP || option == PR_SET_NO_NEW_PRIVS; }

// Not a child of vfork.
bool is_own_process() {
  const long process = g_process.load(std::memory_order_relaxed);
  return process == 0 || process == raw_syscall(SYS_getpid);
}

bool is_filtered() { return raw_syscall(SYS_prctl, PR_GET_SECCOMP) > 0; }

}  // namespace

void note_sandbox_at_start() {
  g_filtered_at_start.store(is_filtered(), std::memory_order_relaxed);
  note_process_of_sandbox();
}

void note_process_of_sandbox() { g_process.store(raw_syscall(SYS_getpid), std::memory_order_relaxed); }

int pass_on_prctl(int option, const unsigned long (&arguments)[4]) {
  // Before it is so: a tick may come right after. Who only asks whether there are filters is refused.
  const bool is_first = enters(option) && is_own_process() && !g_entered.exchange(true, std::memory_order_relaxed);
  const long result = syscall(SYS_prctl, option, arguments[0], arguments[1], arguments[2], arguments[3]);
  if (is_first && result < 0) g_entered.store(false, std::memory_order_relaxed);
  return static_cast<int>(result);
}

bool has_entered_sandbox() { return g_entered.load(std::memory_order_relaxed); }

bool is_sandboxed() {
  return has_entered_sandbox() || (!g_filtered_at_start.load(std::memory_order_relaxed) && is_filtered());
}

}  // namespace hakmem::os
