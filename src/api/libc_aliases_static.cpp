// For libhakmem.a: libc.a's malloc.o defines these beside malloc, and a static program that uses
// one of them would pull that member in and meet malloc twice.
#include <errno.h>
#include <malloc.h>

#include "api/entry.h"

#define HAK_EXPORT extern "C" [[gnu::visibility("default")]]

extern "C" [[gnu::visibility("hidden")]] const char hakmem_owns_libc_names = 1;

HAK_EXPORT void* __libc_malloc(size_t size) noexcept { return malloc(size); }
HAK_EXPORT void __libc_free(void* block) noexcept { free(block); }
HAK_EXPORT void* __libc_calloc(size_t count, size_t size) noexcept { return calloc(count, size); }
HAK_EXPORT void* __libc_realloc(void* block, size_t size) noexcept { return realloc(block, size); }
HAK_EXPORT void* __libc_memalign(size_t alignment, size_t size) noexcept {
  return memalign(alignment, size);
}
HAK_EXPORT void* __libc_valloc(size_t size) noexcept { return valloc(size); }
HAK_EXPORT void* __libc_pvalloc(size_t size) noexcept { return pvalloc(size); }
HAK_EXPORT int __libc_mallopt(int parameter, int value) noexcept {
  return mallopt(parameter, value);
}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // to be linked, not to be used
HAK_EXPORT struct mallinfo __libc_mallinfo(void) noexcept { return mallinfo(); }
#pragma GCC diagnostic pop
HAK_EXPORT struct mallinfo2 __libc_mallinfo2(void) noexcept { return mallinfo2(); }
HAK_EXPORT int __posix_memalign(void** out, size_t alignment, size_t size) noexcept {
  return posix_memalign(out, alignment, size);
}
HAK_EXPORT int __malloc_trim(size_t pad) noexcept { return malloc_trim(pad); }
HAK_EXPORT size_t __malloc_usable_size(void* block) noexcept { return malloc_usable_size(block); }
HAK_EXPORT void __malloc_stats(void) noexcept { malloc_stats(); }
HAK_EXPORT int __mallopt(int parameter, int value) noexcept { return mallopt(parameter, value); }
HAK_EXPORT int __malloc_info(int options, FILE* out) noexcept { return malloc_info(options, out); }
