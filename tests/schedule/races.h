// schedule/races.h: which accesses the named memory orders put in order (happens-before).
//
// Vector clocks, one for each thread and one for each atomic that was released to. A plain access that
// is not after another thread's write to the same bytes (or a write not after its read) ends the process.
// seq_cst counts as acquire and release; what only seq_cst forbids is the spin models' part.
#pragma once

#include <cstddef>
#include <cstdint>

namespace schedule::races {

// Recording begins; what was written before is known to all threads.
void begin_thread(uint32_t number);
void end_thread(uint32_t number);
void join(uint32_t number);

void plain_read(uintptr_t address, size_t bytes);
void plain_write(uintptr_t address, size_t bytes);

// Any atomic access, before what it does to the clocks: whoever made the atomic wrote it as plain memory.
void atomic_touch(uintptr_t address, size_t bytes);
// `order` is one of the compiler's __ATOMIC_ numbers.
void atomic_load(uintptr_t address, int order);
void atomic_store(uintptr_t address, int order);
void atomic_update(uintptr_t address, int order);

// The program's own hand-over of a block from thread to thread.
void hand_over(uintptr_t token);
void receive(uintptr_t token);

}  // namespace schedule::races
