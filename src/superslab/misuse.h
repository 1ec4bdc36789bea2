// superslab/misuse.h: the program freed what it must not.
//
// Responsibility  One line that says what was freed wrongly, and the end of the process.
// Contract        Never returns. Reads only the registry; allocates nothing; safe with locks held.
// Observable      "==PID==ERROR: hakmem: <mistake> on address 0x..." with what is
//                 known of the slab.
// Composable      Registry, os/process. Used by front and heap, where a bad pointer surfaces.
#pragma once

namespace hakmem {

enum class Misuse {
  kDoubleFree,    // the block's bit says it is free already
  kInteriorFree,  // inside a block, not at its start
  kReleasedFree,  // the slab behind it was given back
  kForeignFree,   // neither ours nor libc's
};

[[noreturn, gnu::cold, gnu::noinline]] void report_misuse(Misuse kind, const void* address);

}  // namespace hakmem
