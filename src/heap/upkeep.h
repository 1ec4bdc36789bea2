// heap/upkeep.h: what the whole process gives back to the system, bit by bit.
//
// Responsibility  Let decay take what nobody came back for: EMPTY slots, holes in slabs, retained huge
//                 blocks, what threads left behind; and all of it at once where memory is short, of the
//                 process's own limit or of others.
// Contract        Called at ticks, or by the scavenger instead of them. Needs Inside, or a thread that
//                 never allocates; holds no lock between its parts. Whoever finds a part in somebody
//                 else's hands leaves it to them.
// Observable      The bytes that went back.
// Composable      pool, front, large. Used by heap, scavenger.
#pragma once

#include "base/units.h"

namespace hakmem::upkeep {

// Of a thread that wanted to allocate or free: a millisecond at most, unless memory is short.
Bytes in_passing(Milliseconds now);

// Of a thread that has nothing else to do.
Bytes at_leisure(Milliseconds now);

// Everything at once, decayed or not.
Bytes everything();

// While memory is very short: a thread at its tick empties its own cache.
bool caches_must_shrink();

// Everything, where the process's memory limit is near once `wanted` more is used; at most a hundred times a
// second, and for a fiftieth of the time where it brings next to nothing. At ticks.
void relieve(Bytes wanted);

// The same before a huge block: a program of these alone never ticks, and would not know its limit.
void relieve_for_huge(Bytes wanted);

}  // namespace hakmem::upkeep
