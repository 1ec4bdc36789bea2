// os/residency.h: how much of a range of memory has pages behind it.
//
// Responsibility  Ask the kernel for samples of a range.
// Contract        /proc/self/pagemap; no allocation, errno untouched. Not under a lock, nor in a sandbox. Without the
//                 file, or a descriptor for it, nothing is known. A child that another thread forks meanwhile
//                 keeps the descriptor.
// Observable      Nothing.
// Composable      Raw system calls. Used by large.
#pragma once

#include "base/units.h"

namespace hakmem::os {

struct Residency {
  uint32_t looked = 0;   // pages; 0: nothing is known
  uint32_t present = 0;  // of these, or swapped out
};

// Of four stretches of 64 pages, spread over the range from its first page to its last; of all, where it has no more.
Residency sample_residency(const void* begin, Bytes size);

}  // namespace hakmem::os
