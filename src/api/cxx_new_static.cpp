// For libhakmem.a, a member of its own: a static program has libstdc++.a, whose other fourteen
// forms call these. Weak, so that a program may replace any of them one by one.
#include <malloc.h>
#include <stdlib.h>

#include <new>

#define HAK_EXPORT [[gnu::visibility("default"), gnu::weak]]

extern "C" void free_sized(void* block, size_t size) noexcept;

namespace std {
[[noreturn]] void __throw_bad_alloc();
}

namespace {

template <class Attempt>
void* until_handled(Attempt attempt) {
  for (;;) {
    if (void* block = attempt(); block != nullptr) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) std::__throw_bad_alloc();
    handler();
  }
}

}  // namespace

HAK_EXPORT void* operator new(size_t size) {
  if (void* block = malloc(size); block != nullptr) [[likely]]
    return block;
  return until_handled([size] { return malloc(size); });
}

HAK_EXPORT void* operator new(size_t size, std::align_val_t alignment) {
  return until_handled([=] { return aligned_alloc(static_cast<size_t>(alignment), size); });
}

HAK_EXPORT void operator delete(void* block) noexcept { free(block); }
HAK_EXPORT void operator delete(void* block, std::align_val_t) noexcept { free(block); }
