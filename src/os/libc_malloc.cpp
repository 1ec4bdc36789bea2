#include "os/libc_malloc.h"

extern "C" {
[[gnu::weak]] void* __libc_malloc(size_t size);
[[gnu::weak]] void* __libc_calloc(size_t count, size_t size);
[[gnu::weak]] void* __libc_realloc(void* block, size_t size);
[[gnu::weak]] void* __libc_memalign(size_t alignment, size_t size);
[[gnu::weak]] void __libc_free(void* block);

// Defined by the member that defines __libc_malloc and its kin for static programs.
[[gnu::weak, gnu::visibility("hidden")]] extern const char hakmem_owns_libc_names;
}

namespace hakmem::os {

bool libc_malloc_present() {
  return &__libc_malloc != nullptr && &__libc_free != nullptr && &hakmem_owns_libc_names == nullptr;
}

void* libc_malloc(size_t size) { return __libc_malloc(size); }
void* libc_calloc(size_t count, size_t size) { return __libc_calloc(count, size); }
void* libc_realloc(void* block, size_t size) { return __libc_realloc(block, size); }
void* libc_memalign(size_t alignment, size_t size) { return __libc_memalign(alignment, size); }
void libc_free(void* block) { __libc_free(block); }

}  // namespace hakmem::os
