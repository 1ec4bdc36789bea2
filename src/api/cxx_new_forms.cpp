// The sixteen operators that the standard defines by the basic ones: array, nothrow and sized
// forms. They forward, so that a program which replaces operator new(size_t) or operator
// delete(void*) sees every form go through its own, as with libstdc++.
#include <dlfcn.h>

#include "api/cxx_new.h"
#include "api/entry.h"

#define HAK_EXPORT [[gnu::visibility("default")]]

// The public operators under C names: this file must reach them through the dynamic linker, and the
// compiler must not know what they do.
extern "C" {
[[gnu::visibility("default")]] void* replaced_new(size_t) __asm__("_Znwm");
[[gnu::visibility("default")]] void* replaced_new_aligned(size_t, std::align_val_t) __asm__(
    "_ZnwmSt11align_val_t");
[[gnu::visibility("default")]] void replaced_delete(void*) noexcept __asm__("_ZdlPv");
[[gnu::visibility("default")]] void replaced_delete_aligned(void*, std::align_val_t) noexcept
    __asm__("_ZdlPvSt11align_val_t");
}

namespace {

// Catching needs the C++ runtime, so what may throw goes to libstdc++'s form, which calls the
// public operator new inside a try block.
template <class... Arguments>
void* nothrow_of_libstdcxx(const char* name, Arguments... arguments) {
  using Form = void*(Arguments..., const std::nothrow_t&);
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    void* library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (library != nullptr) found = dlsym(library, name);
  }
  if (found == nullptr) return nullptr;
  return reinterpret_cast<Form*>(found)(arguments..., std::nothrow_t());
}

[[gnu::cold, gnu::noinline]] void* new_nothrow_slow(size_t size) {
  if (&replaced_new == &hakmem_own_new) {
    if (void* block = hakmem::heap::allocate_slow(size); block != nullptr) return block;
  }
  return nothrow_of_libstdcxx("_ZnwmRKSt9nothrow_t", size);
}

void* new_nothrow(size_t size) noexcept {
  if (&replaced_new == &hakmem_own_new) [[likely]] {
    if (void* block = hakmem::heap::try_allocate(size); block != nullptr) [[likely]]
      return block;
  }
  return new_nothrow_slow(size);
}

void* new_aligned_nothrow(size_t size, std::align_val_t alignment) noexcept {
  if (&replaced_new_aligned == &hakmem_own_new_aligned) {
    void* block = hakmem::heap::allocate_aligned(static_cast<size_t>(alignment), size);
    if (block != nullptr) return block;
  }
  return nothrow_of_libstdcxx("_ZnwmSt11align_val_tRKSt9nothrow_t", size, alignment);
}

void delete_sized(void* block, size_t size) noexcept {
  if (&replaced_delete == &hakmem_own_delete) [[likely]] {
    return hakmem::api::deallocate_sized(block, size);
  }
  replaced_delete(block);
}

}  // namespace

HAK_EXPORT void* operator new[](size_t size) { return replaced_new(size); }
HAK_EXPORT void* operator new[](size_t size, std::align_val_t alignment) {
  return replaced_new_aligned(size, alignment);
}

HAK_EXPORT void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return new_nothrow(size);
}
HAK_EXPORT void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return new_nothrow(size);
}
HAK_EXPORT void* operator new(size_t size, std::align_val_t alignment,
                              const std::nothrow_t&) noexcept {
  return new_aligned_nothrow(size, alignment);
}
HAK_EXPORT void* operator new[](size_t size, std::align_val_t alignment,
                                const std::nothrow_t&) noexcept {
  return new_aligned_nothrow(size, alignment);
}

HAK_EXPORT void operator delete[](void* block) noexcept { replaced_delete(block); }
HAK_EXPORT void operator delete(void* block, size_t size) noexcept { delete_sized(block, size); }
HAK_EXPORT void operator delete[](void* block, size_t size) noexcept { delete_sized(block, size); }
HAK_EXPORT void operator delete(void* block, const std::nothrow_t&) noexcept {
  replaced_delete(block);
}
HAK_EXPORT void operator delete[](void* block, const std::nothrow_t&) noexcept {
  replaced_delete(block);
}

HAK_EXPORT void operator delete[](void* block, std::align_val_t alignment) noexcept {
  replaced_delete_aligned(block, alignment);
}
HAK_EXPORT void operator delete(void* block, size_t, std::align_val_t alignment) noexcept {
  replaced_delete_aligned(block, alignment);
}
HAK_EXPORT void operator delete[](void* block, size_t, std::align_val_t alignment) noexcept {
  replaced_delete_aligned(block, alignment);
}
HAK_EXPORT void operator delete(void* block, std::align_val_t alignment,
                                const std::nothrow_t&) noexcept {
  replaced_delete_aligned(block, alignment);
}
HAK_EXPORT void operator delete[](void* block, std::align_val_t alignment,
                                  const std::nothrow_t&) noexcept {
  replaced_delete_aligned(block, alignment);
}
