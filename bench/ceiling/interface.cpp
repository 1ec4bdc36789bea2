// The malloc family over the pools. What they do not serve is libc's.
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pools.h"

namespace hakmem::benchfast {
namespace {

constexpr size_t kPageBytes = 4096;

bool is_power_of_two_pointers(size_t alignment) {
  return is_power_of_two(alignment) && alignment % sizeof(void*) == 0;
}

}  // namespace
}  // namespace hakmem::benchfast

using namespace hakmem;
using namespace hakmem::benchfast;

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

// Kept apart: what a hit does not need costs it no saved register.
[[gnu::cold, gnu::noinline]] static void* malloc_slow(size_t size) {
  void* block = allocate_slow(size);
  return block != nullptr ? block : __libc_malloc(size);
}

[[gnu::visibility("default")]] void* malloc(size_t size) {
  void* block = allocate(size);
  if (block != nullptr) [[likely]]
    return block;
  return malloc_slow(size);
}

[[gnu::visibility("default")]] void free(void* block) {
  if (!release(block)) [[unlikely]]
    __libc_free(block);
}

[[gnu::visibility("default")]] void* calloc(size_t count, size_t size) {
  size_t bytes;
  // libc knows what to say about an overflow.
  if (__builtin_mul_overflow(count, size, &bytes)) return __libc_calloc(count, size);
  void* block = allocate(bytes);
  if (block == nullptr) block = allocate_slow(bytes);
  return block != nullptr ? memset(block, 0, bytes) : __libc_calloc(count, size);
}

[[gnu::visibility("default")]] void* realloc(void* block, size_t size) {
  if (block == nullptr) return malloc(size);
  if (!is_ours(block)) return __libc_realloc(block, size);
  if (size == 0) {
    free(block);
    return nullptr;
  }
  const size_t held = usable_size(block);
  if (size <= held) return block;
  void* larger = malloc(size);
  if (larger == nullptr) return nullptr;
  memcpy(larger, block, held);
  free(block);
  return larger;
}

[[gnu::visibility("default")]] void* reallocarray(void* block, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return nullptr;
  }
  return realloc(block, bytes);
}

[[gnu::visibility("default")]] void* memalign(size_t alignment, size_t size) {
  return alignment <= kMinAlignment ? malloc(size) : __libc_memalign(alignment, size);
}

[[gnu::visibility("default")]] void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}

[[gnu::visibility("default")]] int posix_memalign(void** block, size_t alignment, size_t size) {
  if (!is_power_of_two_pointers(alignment)) return EINVAL;
  void* found = memalign(alignment, size);
  if (found == nullptr) return ENOMEM;
  *block = found;
  return 0;
}

[[gnu::visibility("default")]] void* valloc(size_t size) { return memalign(kPageBytes, size); }

[[gnu::visibility("default")]] void* pvalloc(size_t size) {
  return memalign(kPageBytes, round_up(size, kPageBytes));
}

[[gnu::visibility("default")]] size_t malloc_usable_size(void* block) {
  if (is_ours(block)) return usable_size(block);
  using UsableSize = size_t (*)(void*);
  const auto libc = reinterpret_cast<UsableSize>(dlsym(RTLD_NEXT, "malloc_usable_size"));
  return libc != nullptr ? libc(block) : 0;
}

}  // extern "C"
