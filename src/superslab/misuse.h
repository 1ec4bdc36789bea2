// superslab/misuse.h: the program did to the heap what it must not.
//
// Responsibility  A report that says what was done, to which block, and who did it; the end of the process.
// Contract        Never returns. Reads only the registry and the unwind tables; allocates nothing; safe
//                 with locks held. The first line on stderr has the shape of AddressSanitizer's; with
//                 HAKMEM_REPORT_JSON the whole report is one line of JSON. Of several threads the first
//                 reports.
// Observable      "==PID==ERROR: hakmem: <mistake> on address 0x..." with what is known of the slab, then
//                 details, slab state and a backtrace: address, module, offset in it, build-id.
// Composable      Registry, os/process, os/modules, os/unwind, config. Used by front, heap and hardened,
//                 where a mistake surfaces.
#pragma once

#include <cstdint>

#include "base/text.h"

namespace hakmem {

enum class Misuse {
  kDoubleFree,    // the block is free already
  kInteriorFree,  // inside a block, not at its start
  kReleasedFree,  // the slab behind it was given back
  kForeignFree,   // neither ours nor libc's
  // A guarded block's.
  kUseAfterFree,  // read or written after it was freed
  // The hardened flavour's, and of guarded blocks.
  kUnallocatedFree,    // a block that nobody was given
  kOverflow,           // written behind what was asked for
  kUnderflow,          // written before the block
  kWriteAfterFree,     // written while nobody had it
  kKindMismatch,       // new and free, new[] and delete
  kSizeMismatch,       // freed with another size than it was asked for with
  kAlignmentMismatch,  // the same with an alignment
};

// Who did what before, where somebody remembers; `name` is its key in the JSON form.
struct Trace {
  const char* title;
  const char* name;
  const uintptr_t* frames;
  size_t count;
};

struct Traces {
  const Trace* first = nullptr;
  size_t count = 0;
};

// The same with what was done before; `here`, where it is not empty, stands for the caller's own frames.
[[noreturn, gnu::cold, gnu::noinline]] void report_misuse(Misuse kind, const void* address, TextView detail,
                                                          Trace here, Traces before);

// `detail`: a clause about the block, from whoever knows more than the registry.
[[noreturn, gnu::cold, gnu::noinline]] void report_misuse(Misuse kind, const void* address,
                                                          TextView detail = {});

}  // namespace hakmem
