// os/residency.h: how much of a range of memory has pages behind it, and something in them.
//
// Responsibility  Ask the kernel for samples of a range.
// Contract        /proc/self/pagemap and /proc/self/mem, so that no access faults and no system call is an unusual one; no
//                 allocation, errno untouched. Not under a lock, nor in a sandbox. Without the file, or a descriptor
//                 for it, nothing is known. A child that another thread forks meanwhile keeps pagemap's, which is of no
//                 use to it; mem's, by which it could read its parent, none gets, for fork takes look_lock(). Lock rank kLook.
// Observable      Nothing.
// Composable      Raw system calls. Used by large.
#pragma once

#include "base/units.h"
#include "os/lock.h"

namespace hakmem::os {

struct PageSample {
  uint32_t looked = 0;   // pages; 0: nothing is known
  uint32_t found = 0;    // of these
  uint32_t swapped = 0;  // of those found: swapped out
};

// Which are present, or swapped out: of four stretches of 64 pages, spread over the range from its first page to its last;
// of all, where it has no more.
PageSample sample_residency(const void* begin, Bytes size);

// Which begin with anything but zeroes: of sixteen pages, spread over the range so that they are no even distance apart.
// Those that are not present are made so. Nothing is known while another thread looks.
PageSample sample_contents(const void* begin, Bytes size);

// Held while /proc/self/mem is open.
Lock& look_lock();

}  // namespace hakmem::os
