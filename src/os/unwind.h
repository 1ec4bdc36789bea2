// os/unwind.h: who called, without a runtime library.
//
// Responsibility  The return addresses on this thread's stack, from the unwind tables of the modules.
// Contract        Allocates nothing, loads nothing, and reads the stack through the kernel, so that a
//                 damaged one ends the walk and not the process. backtrace() ends where tables end: at
//                 code made at run time; both end at a signal's frame.
// Observable      Nothing.
// Composable      os/modules, call_frame. Used by os/fault, superslab/misuse, large, profile.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/call_frame.h"

namespace hakmem::os {

// Fills `frames` with at most `frames_max` addresses, the innermost first; returns how many. The first
// lies in this function's caller.
size_t backtrace(uintptr_t* frames, size_t frames_max);

struct Registers {
  uintptr_t value[kFrameRegisters];
};

// The callers of the frame that has these registers and is at `code`.
size_t walk(Registers registers, uintptr_t code, uintptr_t* frames, size_t frames_max);

// What walks found out before, for one thread: rules by place in the code. Zero is empty.
struct KnownFrames {
  static constexpr uint32_t kEntries = 256;
  static constexpr uint32_t kSavedMax = 12;
  struct Entry {
    uintptr_t code;  // 0: nothing
    int32_t base_offset;
    uint8_t base_register;
    uint8_t return_register;
    uint8_t saved;  // registers that lie in the frame
    bool ends;      // the walk ends here
    int32_t offsets[kSavedMax];
    uint8_t registers[kSavedMax];
  };
  Entry entries[kEntries];
};

// The same, many times faster and from a signal handler too: no lock is taken, the linker is asked without
// one, and only pages of the stack that were not seen yet in this walk are asked of the kernel. Code without
// tables is taken to keep frame pointers.
size_t walk_stack(KnownFrames* known, uintptr_t* frames, size_t frames_max);

}  // namespace hakmem::os
