// superslab/randomness.h: choices that a program cannot foresee. Hardened flavour only.
//
// Responsibility  Random numbers for placement, and a shuffle.
// Contract        Seeded by the kernel once. Good enough that reuse cannot be planned by counting calls;
//                 not a cipher. Threads that draw at once may get the same number. (The quarantine's draws are not
//                 of these: each class steps a number of its own, which only begins here.)
// Observable      Nothing.
// Composable      os/process. Used by slab, canary, front.
#pragma once

#include <cstdint>

namespace hakmem {

// Once, while there is one thread.
void seed_randomness();

uint64_t next_random();

// 0 .. bound - 1.
uint32_t random_below(uint32_t bound);

void shuffle(void** entries, uint32_t count);

}  // namespace hakmem
