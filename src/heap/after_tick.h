// heap/after_tick.h: what lies above the heap and wants to be called now and then.
//
// Responsibility  Declare the one call upwards; whoever defines it is linked with the heap.
// Contract        Called after a cache's tick, at most every 50 ms by each thread, and after each round of
//                 the scavenger; inside the allocator (Inside) or by a thread that never allocates, with no
//                 lock held.
// Observable      Nothing.
// Composable      Defined by observe/stats_page. Used by heap.
#pragma once

#include "base/units.h"

namespace hakmem {

[[gnu::cold, gnu::noinline]] void after_tick(Milliseconds now);

}  // namespace hakmem
