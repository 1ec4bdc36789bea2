// heap/foreign.h: pointers that are not ours.
//
// Responsibility  Tell a block of libc's own allocator from a wild pointer.
// Contract        Reads memory only where /proc/self/maps (or the heap's bounds) says it may; a
// cold
//                 path, entered only for a pointer that no table of ours knows.
// Observable      Nothing.
// Composable      os/memory_map, os/libc_malloc. Used by heap.
#pragma once

namespace hakmem {

// True when `block` lies in libc's heap or in a mapping with a consistent libc chunk header.
bool libc_owns(const void* block);

}  // namespace hakmem
