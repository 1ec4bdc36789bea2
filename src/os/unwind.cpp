#include "os/unwind.h"

#include <sys/uio.h>

#include "os/call_frame.h"
#include "os/modules.h"
#include "os/process.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

struct Registers {
  uintptr_t value[kFrameRegisters];
};

// False where nothing can be read.
bool read_word(uintptr_t address, uintptr_t* value) {
  iovec to{value, sizeof *value};
  iovec from{reinterpret_cast<void*>(address), sizeof *value};
  const long got = raw_syscall(SYS_process_vm_readv, process_id(), reinterpret_cast<long>(&to), 1,
                               reinterpret_cast<long>(&from), 1, 0);
  return got == static_cast<long>(sizeof *value);
}

// The caller's registers and place in the code; false at the end of the walk.
bool step(Registers& registers, uintptr_t* code) {
  // A return address may lie behind a function that never returns: the call is what counts.
  const Module module = module_at(*code - 1);
  if (!module.found || module.unwind_header == 0) return false;
  const FrameRules rules = rules_at(module.unwind_header, *code - 1);
  if (!rules.found) return false;
  const uintptr_t frame =
      registers.value[rules.base_register] + static_cast<uintptr_t>(rules.base_offset);
  Registers caller = registers;
  caller.value[kStackRegister] = frame;
  for (uint32_t i = 0; i < kFrameRegisters; ++i) {
    const RegisterRule& rule = rules.registers[i];
    if (rule.kind == RegisterRule::kAtOffset) {
      if (!read_word(frame + static_cast<uintptr_t>(rule.offset), &caller.value[i])) return false;
    } else if (rule.kind == RegisterRule::kInRegister) {
      if (rule.offset < 0 || rule.offset >= int64_t{kFrameRegisters}) return false;
      caller.value[i] = registers.value[rule.offset];
    }
  }
  const RegisterRule::Kind back = rules.registers[rules.return_register].kind;
  if (back == RegisterRule::kUndefined || back == RegisterRule::kUnknown) return false;
  // The stack grows down, so a walk that does not go up would not end.
  if (frame <= registers.value[kStackRegister] && back == RegisterRule::kSame) return false;
  *code = caller.value[rules.return_register];
  registers = caller;
  return *code > 1;
}

}  // namespace

[[gnu::noinline]] size_t backtrace(uintptr_t* frames, size_t frames_max) {
  Registers registers{};
  uintptr_t code;
  uintptr_t* at = registers.value;
#if defined(__x86_64__)
  asm volatile(
      "mov %%rbx, 24(%1)\n mov %%rbp, 48(%1)\n mov %%rsp, 56(%1)\n mov %%r12, 96(%1)\n"
      "mov %%r13, 104(%1)\n mov %%r14, 112(%1)\n mov %%r15, 120(%1)\n lea 0(%%rip), %0"
      : "=&r"(code)
      : "r"(at)
      : "memory");
#else
  asm volatile(
      "stp x19, x20, [%1, #152]\n stp x21, x22, [%1, #168]\n stp x23, x24, [%1, #184]\n"
      "stp x25, x26, [%1, #200]\n stp x27, x28, [%1, #216]\n stp x29, x30, [%1, #232]\n"
      "mov %0, sp\n str %0, [%1, #248]\n adr %0, ."
      : "=&r"(code)
      : "r"(at)
      : "memory");
#endif
  size_t count = 0;
  while (count < frames_max && step(registers, &code)) frames[count++] = code;
  return count;
}

}  // namespace hakmem::os
