// schedule/hand_overs.h: small lives, each about one pair of a release and an acquire.
#pragma once

#include <cstdint>

namespace schedule {

// One of the lives: deferred frees, the registry as it grows, the table of caches, the making of a profile, guarded
// blocks, the stats page. What one thread makes, others find through a hint that orders nothing, so that the box's own
// orders have to.
void hand_over(uint64_t seed);

// Made and not removed.
uint32_t shared_pages();
const void* newest_shared_page();

}  // namespace schedule
