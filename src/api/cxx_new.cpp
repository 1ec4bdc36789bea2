// The eight replaceable operators the others are defined by. See cxx_new_forms.cpp.
#include "api/cxx_new.h"

#include <dlfcn.h>

#include "os/process.h"
#include "api/entry.h"

// libstdc++'s, where the process has it; this library must not need it.
extern "C" {
[[gnu::weak]] std::new_handler _ZSt15get_new_handlerv();
[[gnu::weak]] void _ZSt17__throw_bad_allocv();
}

namespace hakmem::api {

namespace {

// A C program may have loaded libstdc++ for a plugin only, where weak symbols do not reach.
template <class Function>
Function* find_in_libstdcxx(Function* weak, const char* name) {
  if (weak != nullptr) return weak;
  void* library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  return reinterpret_cast<Function*>(dlsym(library, name));
}

[[noreturn]] void throw_bad_alloc() {
  auto* thrower = find_in_libstdcxx(&_ZSt17__throw_bad_allocv, "_ZSt17__throw_bad_allocv");
  if (thrower != nullptr) thrower();
  constexpr char kText[] = "hakmem: operator new: out of memory, and no libstdc++ to throw\n";
  os::write_stderr(kText, sizeof(kText) - 1);
  os::abort_process();
}

// Calls the program's new-handler; false when there is none.
bool call_new_handler() {
  auto* getter = find_in_libstdcxx(&_ZSt15get_new_handlerv, "_ZSt15get_new_handlerv");
  const std::new_handler handler = getter == nullptr ? nullptr : getter();
  if (handler == nullptr) return false;
  handler();
  return true;
}

// As the standard says: until it succeeds, or the handler throws, or there is none.
[[gnu::cold, gnu::noinline]] void* new_slow(size_t size, Origin origin) {
  for (;;) {
    if (void* block = allocate(size, origin); block != nullptr) return block;
    if (!call_new_handler()) throw_bad_alloc();
  }
}

[[gnu::cold, gnu::noinline]] inline void* new_hardened_slow(void* block, size_t size, Origin origin) {
  block = hardened::allocate_slow(block, size, origin);
  return block != nullptr ? block : new_slow(size, origin);
}

[[gnu::cold, gnu::noinline]] void* new_aligned(size_t size, size_t alignment, Origin origin) {
  for (;;) {
    if (void* block = allocate_aligned(alignment, size, origin); block != nullptr) return block;
    if (!call_new_handler()) throw_bad_alloc();
  }
}

}  // namespace
}  // namespace hakmem::api

using namespace hakmem;

extern "C" {

void* hakmem_own_new(size_t size) {
  if constexpr (kHardened) {
    return hardened::allocate<api::new_hardened_slow>(size, api::origin_of_plain());
  }
  if (void* block = heap::try_allocate(size); block != nullptr) [[likely]]
    return block;
  return api::new_slow(size, Origin::kNew);
}

// The array forms forward, but for the hardened flavour, whose blocks know which of the two it was; it
// forwards where somebody replaced either.

void* hakmem_own_new_array(size_t size) {
  if constexpr (kHardened) {
    if (!api::array_is_replaced()) return api::new_slow(size, Origin::kNewArray);
  }
  return public_new(size);
}

void* hakmem_own_new_aligned(size_t size, std::align_val_t alignment) {
  return api::new_aligned(size, static_cast<size_t>(alignment), api::origin_of_aligned());
}

void* hakmem_own_new_array_aligned(size_t size, std::align_val_t alignment) {
  if constexpr (kHardened) {
    if (!api::array_aligned_is_replaced()) {
      return api::new_aligned(size, static_cast<size_t>(alignment), Origin::kNewArrayAligned);
    }
  }
  return public_new_aligned(size, alignment);
}

void hakmem_own_delete(void* block) noexcept {
  if constexpr (kHardened) {
    return api::deallocate(block, api::origin_of_plain());
  }
  api::deallocate(block);
}
void hakmem_own_delete_array(void* block) noexcept {
  if constexpr (kHardened) {
    if (!api::array_is_replaced()) return api::deallocate(block, Origin::kNewArray);
  }
  public_delete(block);
}
void hakmem_own_delete_aligned(void* block, std::align_val_t alignment) noexcept {
  if constexpr (kHardened) {
    return api::deallocate_aligned(block, hardened::kAnySize, static_cast<size_t>(alignment),
                                   api::origin_of_aligned());
  }
  api::deallocate(block);
}
void hakmem_own_delete_array_aligned(void* block, std::align_val_t alignment) noexcept {
  if constexpr (kHardened) {
    if (!api::array_aligned_is_replaced()) {
      return api::deallocate_aligned(block, hardened::kAnySize, static_cast<size_t>(alignment),
                                     Origin::kNewArrayAligned);
    }
  }
  public_delete_aligned(block, alignment);
}
}

// Two names for one function, so that its address tells whether the program replaced the public one.
HAK_PUBLIC void* operator new(size_t) __attribute__((alias("hakmem_own_new")));
HAK_PUBLIC void* operator new[](size_t) __attribute__((alias("hakmem_own_new_array")));
HAK_PUBLIC void* operator new(size_t, std::align_val_t)
    __attribute__((alias("hakmem_own_new_aligned")));
HAK_PUBLIC void* operator new[](size_t, std::align_val_t)
    __attribute__((alias("hakmem_own_new_array_aligned")));
HAK_PUBLIC void operator delete(void*) noexcept __attribute__((alias("hakmem_own_delete")));
HAK_PUBLIC void operator delete[](void*) noexcept
    __attribute__((alias("hakmem_own_delete_array")));
HAK_PUBLIC void operator delete(void*, std::align_val_t) noexcept
    __attribute__((alias("hakmem_own_delete_aligned")));
HAK_PUBLIC void operator delete[](void*, std::align_val_t) noexcept
    __attribute__((alias("hakmem_own_delete_array_aligned")));
