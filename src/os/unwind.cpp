#include "os/unwind.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "base/bits.h"
#include "os/call_frame.h"
#include "os/modules.h"
#include "os/process.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

#if defined(__x86_64__)
constexpr uint8_t kFramePointer = 6;
constexpr uint8_t kReturnRegister = 16;
#else
constexpr uint8_t kFramePointer = 29;
constexpr uint8_t kReturnRegister = 30;
#endif

// False where nothing can be read. The set of signals comes first, and then it is found that nothing is to be done.
bool is_readable(uintptr_t address) {
  constexpr long kNothing = -1;
  return raw_syscall(SYS_rt_sigprocmask, kNothing, static_cast<long>(address), 0, sizeof(uint64_t)) != -EFAULT;
}

// False where nothing can be read.
bool read_word(uintptr_t address, uintptr_t* value) {
  iovec to{value, sizeof *value};
  iovec from{reinterpret_cast<void*>(address), sizeof *value};
  const long got = raw_syscall(SYS_process_vm_readv, process_id(), reinterpret_cast<long>(&to), 1,
                               reinterpret_cast<long>(&from), 1, 0);
  if (got == static_cast<long>(sizeof *value)) return true;
  // Emulators do not have that call, and filters of containers refuse it.
  if ((got != -ENOSYS && got != -EPERM) || !is_readable(address)) return false;
  memcpy(value, reinterpret_cast<const void*>(address), sizeof *value);
  return true;
}

// aarch64 signs return addresses that lie on the stack, where the program was compiled so.
uintptr_t without_signature(uintptr_t code) {
#if defined(__aarch64__)
  register uintptr_t link asm("x30") = code;
  asm("hint #7" : "+r"(link));  // xpaclri, which does nothing on processors without signatures
  return link;
#else
  return code;
#endif
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
  const uintptr_t return_address = without_signature(caller.value[rules.return_register]);
  // The stack grows down, so a walk that does not go up would not end, but for a leaf of aarch64, which has no frame
  // and its return address in a register; its caller's is another one.
  const uintptr_t stack = registers.value[kStackRegister];
  if (back == RegisterRule::kSame && (frame < stack || (frame == stack && return_address == *code))) return false;
  *code = return_address;
  registers = caller;
  return *code > 1;
}

// Words of the stack. A page is asked of the kernel when the walk first comes to it.
class StackWords {
 public:
  bool read(uintptr_t address, uintptr_t* value) {
    if (address % sizeof(uintptr_t) != 0) return false;
    if (address < low_ || address >= high_) {
      if (!read_word(address, value)) return false;
      const uintptr_t page = round_down(address, kPage);
      if (page == high_) {
        high_ = page + kPage;
      } else {
        low_ = page;
        high_ = page + kPage;
      }
      return true;
    }
    *value = *reinterpret_cast<const uintptr_t*>(address);
    return true;
  }

 private:
  // No kernel has smaller ones.
  static constexpr uintptr_t kPage = 4096;
  uintptr_t low_ = 0;
  uintptr_t high_ = 0;
};

// False when one of the registers is found in a way that is not kept.
bool keep_rules(const FrameRules& rules, KnownFrames::Entry* entry) {
  entry->base_offset = static_cast<int32_t>(rules.base_offset);
  entry->base_register = static_cast<uint8_t>(rules.base_register);
  entry->return_register = static_cast<uint8_t>(rules.return_register);
  const RegisterRule::Kind back = rules.registers[rules.return_register].kind;
  if (entry->base_offset != rules.base_offset || back == RegisterRule::kUndefined) return false;
  for (uint32_t i = 0; i < kFrameRegisters; ++i) {
    const RegisterRule& rule = rules.registers[i];
    if (rule.kind == RegisterRule::kSame || rule.kind == RegisterRule::kUndefined) continue;
    // Of no use to the frames we meet, as in step(), unless it is where the walk goes on.
    if (rule.kind == RegisterRule::kUnknown && i != rules.return_register) continue;
    if (rule.kind != RegisterRule::kAtOffset || entry->saved == KnownFrames::kSavedMax) return false;
    entry->offsets[entry->saved] = static_cast<int32_t>(rule.offset);
    entry->registers[entry->saved++] = static_cast<uint8_t>(i);
  }
  return true;
}

const KnownFrames::Entry& entry_for(KnownFrames* known, uintptr_t code) {
  // Bits that differ between neighbouring calls.
  KnownFrames::Entry& entry = known->entries[(code ^ (code >> 9)) % KnownFrames::kEntries];
  if (entry.code == code) return entry;
  entry = KnownFrames::Entry{};
  entry.code = code;
  const CodeRange range = code_range_at(code - 1);
  if (range.unwind_header != 0) {
    const FrameRules rules = rules_at(range.unwind_header, code - 1);
    entry.ends = !rules.found || !keep_rules(rules, &entry);
    return entry;
  }
  // The caller's frame pointer and the return address lie where the frame pointer points to.
  entry.base_register = kFramePointer;
  entry.base_offset = 2 * sizeof(uintptr_t);
  entry.return_register = kReturnRegister;
  entry.saved = 2;
  entry.registers[0] = kFramePointer;
  entry.offsets[0] = -2 * static_cast<int32_t>(sizeof(uintptr_t));
  entry.registers[1] = kReturnRegister;
  entry.offsets[1] = -static_cast<int32_t>(sizeof(uintptr_t));
  return entry;
}

bool quick_step(KnownFrames* known, StackWords& words, Registers& registers, uintptr_t* code) {
  const KnownFrames::Entry& entry = entry_for(known, *code);
  if (entry.ends) return false;
  const uintptr_t frame = registers.value[entry.base_register] +
                          static_cast<uintptr_t>(intptr_t{entry.base_offset});
  const uintptr_t stack = registers.value[kStackRegister];
  // The stack grows down, so a walk that does not go up would not end.
  if (frame < stack || (frame == stack && entry.saved != 0)) return false;
  for (uint32_t i = 0; i < entry.saved; ++i) {
    const uintptr_t place = frame + static_cast<uintptr_t>(intptr_t{entry.offsets[i]});
    if (!words.read(place, &registers.value[entry.registers[i]])) return false;
  }
  registers.value[kStackRegister] = frame;
  const uintptr_t back = without_signature(registers.value[entry.return_register]);
  if (back <= 1 || (back == *code && frame == stack)) return false;
  *code = back;
  return true;
}

// Into the caller's own frame, whose registers these are.
[[gnu::always_inline]] inline uintptr_t capture(Registers& registers) {
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
  return code;
}

}  // namespace

size_t walk(Registers registers, uintptr_t code, uintptr_t* frames, size_t frames_max) {
  size_t count = 0;
  while (count < frames_max && step(registers, &code)) frames[count++] = code;
  return count;
}

[[gnu::noinline]] size_t backtrace(uintptr_t* frames, size_t frames_max) {
  Registers registers{};
  uintptr_t code = capture(registers);
  return walk(registers, code, frames, frames_max);
}

[[gnu::noinline]] size_t walk_stack(KnownFrames* known, uintptr_t* frames, size_t frames_max) {
  Registers registers{};
  StackWords words;
  uintptr_t code = capture(registers);
  size_t count = 0;
  while (count < frames_max && quick_step(known, words, registers, &code)) frames[count++] = code;
  return count;
}

}  // namespace hakmem::os
