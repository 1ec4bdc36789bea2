#include "os/fault.h"

#include <signal.h>
#include <ucontext.h>

#include "os/call_frame.h"
#include "os/process.h"
#include "os/raw_syscall.h"
#include "os/unwind.h"

namespace hakmem::os {

namespace {

// sync: none. Written while there is one thread.
using Look = void (*)(const Fault&);
constinit Look g_look = nullptr;
struct sigaction g_before;

const mcontext_t& machine_of(const void* context) {
  return static_cast<const ucontext_t*>(context)->uc_mcontext;
}

Fault::Access access_of(const void* context) {
#if defined(__x86_64__)
  constexpr long long kWriteBit = 2;
  const bool write = (machine_of(context).gregs[REG_ERR] & kWriteBit) != 0;
  return write ? Fault::Access::kWrite : Fault::Access::kRead;
#else
  (void)context;
  return Fault::Access::kUnknown;
#endif
}

// What would have happened without us.
void pass_on(int signal, siginfo_t* info, void* context) {
  if ((g_before.sa_flags & SA_SIGINFO) != 0) return g_before.sa_sigaction(signal, info, context);
  const bool sent = info->si_code <= 0;
  if (g_before.sa_handler == SIG_IGN && sent) return;
  if (g_before.sa_handler != SIG_IGN && g_before.sa_handler != SIG_DFL) return g_before.sa_handler(signal);
  // The instruction faults again, and a signal that somebody sent comes again.
  struct sigaction plain = {};
  plain.sa_handler = SIG_DFL;
  sigaction(signal, &plain, nullptr);
  if (sent) raw_syscall(SYS_tgkill, process_id(), raw_syscall(SYS_gettid), signal);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (info->si_code > 0) {
    g_look(Fault{reinterpret_cast<uintptr_t>(info->si_addr), access_of(context), context});
  }
  pass_on(signal, info, context);
}

}  // namespace

bool watch_faults(void (*look)(const Fault&)) {
  g_look = look;
  struct sigaction ours = {};
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  return sigaction(SIGSEGV, &ours, &g_before) == 0;
}

size_t backtrace_of(const Fault& fault, uintptr_t* frames, size_t frames_max) {
  Registers registers{};
  uintptr_t code;
  const mcontext_t& machine = machine_of(fault.context);
#if defined(__x86_64__)
  // In the order of the unwind tables' numbers.
  constexpr int kOrder[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  for (size_t i = 0; i < 16; ++i) {
    registers.value[i] = static_cast<uintptr_t>(machine.gregs[kOrder[i]]);
  }
  code = static_cast<uintptr_t>(machine.gregs[REG_RIP]);
#else
  for (size_t i = 0; i < 31; ++i) registers.value[i] = machine.regs[i];
  registers.value[31] = machine.sp;
  code = machine.pc;
#endif
  if (frames_max == 0) return 0;
  frames[0] = code;
  // Tables are asked for the byte before a return address.
  return 1 + walk(registers, code + 1, frames + 1, frames_max - 1);
}

}  // namespace hakmem::os
