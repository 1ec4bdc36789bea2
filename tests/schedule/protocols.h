// schedule/protocols.h: what the scheduled threads do to the boxes.
#pragma once

#include <cstdint>

namespace schedule {

// One life of the heap from its first slab to its last, its threads interleaved as `seed` says. Ends the
// process through fail() when a block is lost or handed out twice, an inbox is forgotten, or the walker
// finds an equation broken; in test_scavenger, when the scavenger sleeps at the wrong time (scavenged.cpp).
void live(uint64_t seed);

}  // namespace schedule
