// bench/ceiling/pools.h: BenchFast, the structural ceiling. Not an allocator: a measure for one.
//
// Responsibility  Show how fast a malloc with hakmem's size classes and lists of free blocks could
//                 be if it did nothing but push and pop.
// Scope           Workload allocations come from the pools: up to kLargeMax bytes, of ordinary
//                 alignment, after the start. Infrastructure allocations go to libc: whatever
//                 ld.so, libc or another library's constructor asks for before the start is over,
//                 blocks above kLargeMax, and alignments above 16. What libc asks for later (a
//                 stream's buffer, a thread's table) cannot be told from the workload and is served
//                 like it.
// Contract        allocate(): a block of the size's class, popped from a list that only this thread
//                 touches, or nullptr, and then allocate_slow() decides. release(): pushes onto the
//                 calling thread's list whoever allocated the block; false: the block is not ours.
//                 A thread lays out all blocks of a class at its first request for it: as many as
//                 HAKMEM_BENCH_FAST_BLOCKS says (10 000, which lasts random_mixed with 8 192 slots
//                 for any number of cycles), at most kPoolBytesMax, and no more ever. When a list
//                 is dry, one line on stderr says so and the process ends with status 70, without a
//                 result: the run does not count.
// Initialisation  Happens once, in a constructor, behind a guard of the whole process: while one
//                 thread initialises, the requests of all threads go to libc, its own included. A
//                 guard per thread would let a second thread wait for, or take part in, what the
//                 first has not finished.
// Never use it    outside a measurement: memory is never returned, a thread's pools die with it,
//                 nothing is checked, a block freed by another thread is lost to its own (so a
//                 producer runs dry), and a double free hands one block out twice.
// Observable      The line on stderr and status 70; no statistics.
// Composable      config/size_class.h, as a header. Knows nothing else of hakmem.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "config/size_class.h"

namespace hakmem::benchfast {

// Where a block lies tells its class: class c owns the bytes [c, c + 1) << kRegionShift behind
// g_base. 512 MiB a class are 60 GiB in all, which is about what valgrind grants in one piece; a
// class has room for 50 threads with 10 000 blocks of 1 KiB each.
inline constexpr unsigned kRegionShift = 29;
inline constexpr size_t kRegionBytes = size_t{1} << kRegionShift;
inline constexpr size_t kAllRegionsBytes = kClasses * kRegionBytes;

// For one class of one thread, so that two threads find room in every class. Above 26 KiB a class
// has fewer than 10 000 blocks, down to 128 of 2 MiB.
inline constexpr size_t kPoolBytesMax = kRegionBytes / 2;

// Before the start no address is below it by less than kAllRegionsBytes, so no block is ours.
inline constexpr uintptr_t kNoBase = uintptr_t{1} << 63;

struct Block {
  Block* next;
};

// Written once, by the constructor, before any block can lie there. `constinit` in sight of the
// users: otherwise each use of the lists calls a function that looks whether they want a
// constructor. Hidden: otherwise the address is loaded first; -fvisibility spares declarations.
[[gnu::visibility("hidden")]] extern constinit uintptr_t g_base;
[[gnu::visibility("hidden")]] extern constinit thread_local Block* t_free[kClasses];

// The first block of a list that was empty, or nullptr for infrastructure. Ends the process when
// the list had its blocks already.
[[gnu::cold, gnu::noinline]] void* allocate_slow(size_t size);

inline Block* pop(uint32_t size_class) {
  Block* block = t_free[size_class];
  if (block != nullptr) [[likely]]
    t_free[size_class] = block->next;
  return block;
}

// nullptr when the list is empty, or the size has none.
inline void* allocate(size_t size) {
  if (size <= kTinyMax) [[likely]]
    return pop(tiny_class_of(size).count());
  return size <= kLargeMax ? pop(mid_class_of(size).count()) : nullptr;
}

// kClasses and above: the block is not ours.
inline size_t class_of_block(const void* block) {
  return (reinterpret_cast<uintptr_t>(block) - g_base) >> kRegionShift;
}

inline bool is_ours(const void* block) { return class_of_block(block) < kClasses; }

inline bool release(void* address) {
  const size_t size_class = class_of_block(address);
  if (size_class >= kClasses) [[unlikely]]
    return false;
  Block* block = static_cast<Block*>(address);
  block->next = t_free[size_class];
  t_free[size_class] = block;
  return true;
}

inline size_t usable_size(const void* block) {
  return class_block_bytes(static_cast<uint32_t>(class_of_block(block)));
}

}  // namespace hakmem::benchfast
