// os/call_frame.h: DWARF's call frame information, the part that compilers use.
//
// Responsibility  From a place in the code to the rules that restore the caller's registers.
// Contract        Pure functions over a module's .eh_frame_hdr and .eh_frame, which lie in memory. What is
//                 not understood (expressions, other encodings) is "not found".
// Observable      Nothing.
// Composable      Needs nothing. Used by os/unwind.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::os {

#if defined(__x86_64__)
inline constexpr uint32_t kStackRegister = 7;
inline constexpr uint32_t kFrameRegisters = 17;  // with the return address
#else
inline constexpr uint32_t kStackRegister = 31;
inline constexpr uint32_t kFrameRegisters = 32;
#endif

// How one register of the caller is found.
struct RegisterRule {
  enum Kind : uint8_t { kSame, kUndefined, kAtOffset, kInRegister, kUnknown };
  Kind kind = kSame;
  int64_t offset = 0;  // from the frame's address; or the register's number
};

struct FrameRules {
  bool found = false;
  uint32_t base_register = 0;  // the frame's address is this one plus base_offset
  int64_t base_offset = 0;
  uint32_t return_register = 0;
  RegisterRule registers[kFrameRegisters];
};

FrameRules rules_at(uintptr_t unwind_header, uintptr_t code);

}  // namespace hakmem::os
