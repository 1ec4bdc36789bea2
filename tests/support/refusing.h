// support/refusing.h: the kernel refuses this process's n-th call of a kind.
//
// watch_calls(number) has every later anonymous mmap, or mprotect, madvise, munmap, mremap, of this
// process come to a handler first, for good: it counts the call, and then makes it or refuses it. A filter cannot
// count, so it only traps; the handler's own call carries a word in the argument that none of these has.
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "support/program.h"

#if defined(__x86_64__)
#define CAN_REFUSE 1
#define CALL_ARCHITECTURE AUDIT_ARCH_X86_64
#define CALL_ARGUMENT(context, i) ((context)->uc_mcontext.gregs[call_registers[i]])
#define CALL_RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
static const int call_registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8};
#elif defined(__aarch64__)
#define CAN_REFUSE 1
#define CALL_ARCHITECTURE AUDIT_ARCH_AARCH64
#define CALL_ARGUMENT(context, i) ((context)->uc_mcontext.regs[i])
#define CALL_RESULT(context) ((context)->uc_mcontext.regs[0])
#else
#define CAN_REFUSE 0
#endif

// Where there is no file, mmap wants an offset of whole pages and does nothing with it.
#define OWN_CALL 0x5a5a0000u

static volatile long calls_seen;
static long refused_first = -1;  // this call and those after it, as many as refused_count says
static long refused_count;
static int refused_with;

#if CAN_REFUSE
static void on_call(int signal_number, siginfo_t* information, void* interrupted) {
  ucontext_t* context = (ucontext_t*)interrupted;
  const int kept_errno = errno;
  const long call = __sync_fetch_and_add(&calls_seen, 1);
  if (refused_first >= 0 && call >= refused_first && call - refused_first < refused_count) {
    CALL_RESULT(context) = -refused_with;
  } else {
    const long result = syscall(information->si_syscall, CALL_ARGUMENT(context, 0),
                                CALL_ARGUMENT(context, 1), CALL_ARGUMENT(context, 2),
                                CALL_ARGUMENT(context, 3), CALL_ARGUMENT(context, 4), OWN_CALL);
    CALL_RESULT(context) = result == -1 ? -errno : result;
  }
  errno = kept_errno;
}

#define CALL_FIELD(field) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define COMPARE(test, value, when_true, when_false) \
  BPF_JUMP(BPF_JMP | (test) | BPF_K, value, when_true, when_false)

// False when the machine does not let a process do that.
static int watch_calls(long number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_call;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  REQUIRE(sigaction(SIGSYS, &action, NULL) == 0);
  // Maps of files, for libraries, go through; the other calls have no flags to look at.
  const unsigned flag = number == SYS_mmap ? MAP_ANONYMOUS : 0;
  struct sock_filter filter[] = {
      CALL_FIELD(arch),   COMPARE(BPF_JEQ, CALL_ARCHITECTURE, 0, 8),
      CALL_FIELD(nr),     COMPARE(BPF_JEQ, (unsigned)number, 0, 6),
      CALL_FIELD(args[5]), COMPARE(BPF_JEQ, OWN_CALL, 4, 0),
      CALL_FIELD(args[3]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, flag),
      COMPARE(BPF_JEQ, flag, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
static int watch_calls(long number) { return 0; }
#endif
