// os/libc_malloc.h: the malloc that libc keeps for itself.
//
// Responsibility  Hand a call to libc's own allocator.
// Contract        Callable only when libc_malloc_present(). It is absent where this library itself
//                 defines libc's internal names (static linking) and in a libc without them.
// Observable      Nothing.
// Composable      glibc's __libc_* names, weak. Used by heap.
#pragma once

#include <cstddef>

namespace hakmem::os {

bool libc_malloc_present();
void* libc_malloc(size_t size);
void* libc_calloc(size_t count, size_t size);
void* libc_realloc(void* block, size_t size);
void* libc_memalign(size_t alignment, size_t size);
void libc_free(void* block);

}  // namespace hakmem::os
