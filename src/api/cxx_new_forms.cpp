// The twelve operators that the standard defines by the basic eight: nothrow and sized forms.
// They forward, so that a program which replaces a basic one sees its forms go through it, as with
// libstdc++; past it, where nobody did.
#include <dlfcn.h>

#include "api/cxx_new.h"
#include "api/entry.h"

namespace {

using hakmem::kHardened;
using hakmem::Origin;
using hakmem::api::is_replaced;
namespace api = hakmem::api;
namespace hardened = hakmem::hardened;

// Catching needs the C++ runtime, so what may throw goes to libstdc++'s form, which calls the public
// operator inside a try block.
template <class... Arguments>
[[gnu::cold, gnu::noinline]] void* nothrow_of_libstdcxx(const char* name, Arguments... arguments) {
  using Form = void*(Arguments..., const std::nothrow_t&);
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    void* library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (library != nullptr) found = dlsym(library, name);
  }
  if (found == nullptr) return nullptr;
  return reinterpret_cast<Form*>(found)(arguments..., std::nothrow_t());
}

// A scalar or array form behind which nothing is replaced; on failure `name` calls the new-handler.
void* new_nothrow(bool replaced, const char* name, size_t size, Origin origin) {
  if constexpr (kHardened) {
    void* block = replaced ? nullptr : hardened::allocate<hardened::allocate_slow>(size, origin);
    return block != nullptr ? block : nothrow_of_libstdcxx(name, size);
  }
  if (!replaced) [[likely]] {
    if (void* block = hakmem::heap::try_allocate(size); block != nullptr) [[likely]] return block;
    if (void* block = hakmem::heap::allocate_slow(size); block != nullptr) return block;
  }
  return nothrow_of_libstdcxx(name, size);
}

void* new_nothrow(bool replaced, const char* name, size_t size, std::align_val_t alignment,
                  Origin origin) {
  if (!replaced) {
    void* block = hakmem::api::try_allocate_aligned(static_cast<size_t>(alignment), size, origin);
    if (block != nullptr) return block;
  }
  return nothrow_of_libstdcxx(name, size, alignment);
}

bool new_is_replaced() { return is_replaced(&public_new, &hakmem_own_new); }
bool new_array_is_replaced() {
  return is_replaced(&public_new_array, &hakmem_own_new_array) || new_is_replaced();
}
bool new_aligned_is_replaced() { return is_replaced(&public_new_aligned, &hakmem_own_new_aligned); }
bool new_array_aligned_is_replaced() {
  return is_replaced(&public_new_array_aligned, &hakmem_own_new_array_aligned) ||
         new_aligned_is_replaced();
}

}  // namespace

HAK_PUBLIC void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return new_nothrow(new_is_replaced(), "_ZnwmRKSt9nothrow_t", size, Origin::kNew);
}
HAK_PUBLIC void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return new_nothrow(new_array_is_replaced(), "_ZnamRKSt9nothrow_t", size, Origin::kNewArray);
}
HAK_PUBLIC void* operator new(size_t size, std::align_val_t alignment,
                              const std::nothrow_t&) noexcept {
  return new_nothrow(new_aligned_is_replaced(), "_ZnwmSt11align_val_tRKSt9nothrow_t", size,
                     alignment, Origin::kNewAligned);
}
HAK_PUBLIC void* operator new[](size_t size, std::align_val_t alignment,
                                const std::nothrow_t&) noexcept {
  return new_nothrow(new_array_aligned_is_replaced(), "_ZnamSt11align_val_tRKSt9nothrow_t", size,
                     alignment, Origin::kNewArrayAligned);
}

HAK_PUBLIC void operator delete(void* block, size_t size) noexcept {
  if (is_replaced(&public_delete, &hakmem_own_delete)) [[unlikely]] return public_delete(block);
  if constexpr (kHardened) return api::deallocate_sized(block, size, api::origin_of_plain());
  api::deallocate_sized(block, size);
}
HAK_PUBLIC void operator delete[](void* block, size_t size) noexcept {
  if (is_replaced(&public_delete_array, &hakmem_own_delete_array) ||
      is_replaced(&public_delete, &hakmem_own_delete)) [[unlikely]] {
    return public_delete_array(block);
  }
  if constexpr (kHardened) {
    return api::deallocate_sized(block, size,
                                 api::array_is_replaced() ? Origin::kAny : Origin::kNewArray);
  }
  api::deallocate_sized(block, size);
}
HAK_PUBLIC void operator delete(void* block, const std::nothrow_t&) noexcept {
  public_delete(block);
}
HAK_PUBLIC void operator delete[](void* block, const std::nothrow_t&) noexcept {
  public_delete_array(block);
}
HAK_PUBLIC void operator delete(void* block, size_t size, std::align_val_t alignment) noexcept {
  if constexpr (kHardened) {
    if (!api::aligned_is_replaced()) {
      return api::deallocate_aligned(block, size, static_cast<size_t>(alignment),
                                     Origin::kNewAligned);
    }
  }
  public_delete_aligned(block, alignment);
}
HAK_PUBLIC void operator delete[](void* block, size_t size, std::align_val_t alignment) noexcept {
  if constexpr (kHardened) {
    if (!api::array_aligned_is_replaced()) {
      return api::deallocate_aligned(block, size, static_cast<size_t>(alignment),
                                     Origin::kNewArrayAligned);
    }
  }
  public_delete_array_aligned(block, alignment);
}
HAK_PUBLIC void operator delete(void* block, std::align_val_t alignment,
                                const std::nothrow_t&) noexcept {
  public_delete_aligned(block, alignment);
}
HAK_PUBLIC void operator delete[](void* block, std::align_val_t alignment,
                                  const std::nothrow_t&) noexcept {
  public_delete_array_aligned(block, alignment);
}
