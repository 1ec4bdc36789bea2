// heap/pressure.h: whether the container, or the machine, is short of memory.
//
// Responsibility  Turn what the kernel says (os/cgroup) into a rung of the ladder: keep nothing, purge,
//                 shrink caches.
// Contract        look() reads at most once a second, and only in a process that has 32 MiB or more, no
//                 HAKMEM_MEMORY_LIMIT, and no seccomp mode of its own making; one rung up for each reading that finds pressure, one down for each that
//                 finds none. A limit that changes is known after a second, at the next look.
// Observable      memory_limit().rung() and limit().
// Composable      os/cgroup, pool (memory_limit). Used by upkeep.
#pragma once

#include "base/units.h"
#include "os/cgroup.h"
#include "pool/memory_limit.h"

namespace hakmem::pressure {

// At a tick, in a round of the scavenger, or before a huge block is taken or grows. True when a reading was made.
bool look(Milliseconds now);

// The rung after a reading, from the rung before it; `hits_before` of the reading before.
MemoryLimit::Rung next_rung(MemoryLimit::Rung rung, const os::MemoryReport& report, uint64_t hits_before);

}  // namespace hakmem::pressure
