// The malloc family as libc declares it.
#include <errno.h>

#include "base/bits.h"
#include "os/process.h"
#include "api/entry.h"
#include "api/hot.h"

#define HAK_EXPORT extern "C" [[gnu::visibility("default")]]

namespace api = hakmem::api;
using hakmem::is_power_of_two;

HAK_EXPORT HAK_HOT void* malloc(size_t size) noexcept { return api::allocate(size); }

HAK_EXPORT HAK_HOT void free(void* block) noexcept { api::deallocate(block); }

HAK_EXPORT void cfree(void* block) noexcept { api::deallocate(block); }

HAK_EXPORT void free_sized(void* block, size_t size) noexcept {
  api::deallocate_sized(block, size);
}

HAK_EXPORT void free_aligned_sized(void* block, size_t alignment, size_t size) noexcept {
  api::deallocate_aligned(block, size, alignment);
}

HAK_EXPORT void* calloc(size_t count, size_t size) noexcept {
  return api::allocate_zeroed(count, size);
}

HAK_EXPORT void* realloc(void* block, size_t size) noexcept { return api::reallocate(block, size); }

HAK_EXPORT void* reallocarray(void* block, size_t count, size_t size) noexcept {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return api::or_enomem(nullptr);
  return api::reallocate(block, total);
}

// glibc accepts any size here, as C17 does.
HAK_EXPORT void* aligned_alloc(size_t alignment, size_t size) noexcept {
  if (!is_power_of_two(alignment)) {
    errno = EINVAL;
    return nullptr;
  }
  return api::allocate_aligned(alignment, size);
}

// glibc rounds a bad alignment up to the next power of two.
HAK_EXPORT void* memalign(size_t alignment, size_t size) noexcept {
  if (alignment > PTRDIFF_MAX) {
    errno = EINVAL;
    return nullptr;
  }
  return api::allocate_aligned(alignment == 0 ? 1 : std::bit_ceil(alignment), size);
}

// Returns its error and leaves errno alone, as POSIX wants.
HAK_EXPORT int posix_memalign(void** out, size_t alignment, size_t size) noexcept {
  if (!is_power_of_two(alignment) || alignment < sizeof(void*)) return EINVAL;
  void* block = api::try_allocate_aligned(alignment, size);
  if (block == nullptr) return ENOMEM;
  *out = block;
  return 0;
}

HAK_EXPORT void* valloc(size_t size) noexcept {
  return api::allocate_aligned(hakmem::os::page_size().count(), size);
}

HAK_EXPORT void* pvalloc(size_t size) noexcept {
  const size_t page = hakmem::os::page_size().count();
  if (size > PTRDIFF_MAX - page) return api::or_enomem(nullptr);
  return api::allocate_aligned(page, size == 0 ? page : hakmem::round_up(size, page));
}

HAK_EXPORT size_t malloc_usable_size(void* block) noexcept {
  return api::usable_size(block);
}
