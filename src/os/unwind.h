// os/unwind.h: who called, without a runtime library.
//
// Responsibility  The return addresses on this thread's stack, from the unwind tables of the modules.
// Contract        Allocates nothing, loads nothing, and reads the stack through the kernel, so that a
//                 damaged one ends the walk and not the process. The walk ends where tables end: at code
//                 made at run time, at a signal's frame.
// Observable      Nothing.
// Composable      os/modules, call_frame. Used by superslab/misuse.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::os {

// Fills `frames` with at most `frames_max` addresses, the innermost first; returns how many. The first
// lies in this function's caller.
size_t backtrace(uintptr_t* frames, size_t frames_max);

}  // namespace hakmem::os
