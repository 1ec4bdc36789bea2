// heap/lifecycle.h: the beginning and the end of processes and threads.
//
// Responsibility  Seal the options, give each thread a cache, take it back, survive fork.
// Contract        Usable before any constructor; nothing here calls a libc function that allocates
//                 before the thread has its cache. At most one pthread key. No destructor of ours
//                 ever runs. fork takes list lock, holes, caches by id, huge, purge, grow,
//                 pool, meta, profile, guarded.
// Observable      The lines about bad options; cache_list().
// Composable      config, os, front, pool, large. Used by heap.
#pragma once

#include "front/thread_cache.h"

namespace hakmem::lifecycle {

// The cache of this thread, made or taken over when it has none. nullptr when the thread has left
// already (departed()), when a handler interrupted it inside a slow path (busy()), or when no memory
// is to be had.
ThreadCache* current_cache();

// True after this thread's exit handler ran, or when the process has no key for one: it allocates from a
// parked cache, block by block.
inline bool departed() { return t_front == &kDepartedFront; }

// What the thread that owns this cache goes on with: the cache, or what stands before it while allocations are
// counted for a profile or for guarded blocks. The thread is inside.
CacheFront* front_of(ThreadCache* cache);

// True in a signal handler that interrupted its own thread inside the allocator, and between the
// fork handlers of a thread that forks.
bool busy();

// True when options send every request to libc's malloc.
bool passes_through();

}  // namespace hakmem::lifecycle
