// api/cxx_new.h: the C++ operators' common ground.
//
// Responsibility  The names by which operators reach the basic ones they are defined by: the public
//                 name, which the program may have replaced, and our own.
// Contract        The standard defines array forms by scalar ones, sized and nothrow forms by plain
//                 ones. A form goes through the public name, or past it when nobody replaced it. The
//                 public names are declared here under C names, so that the compiler leaves them to
//                 the dynamic linker.
// Observable      is_replaced(): the program brought its own; and what follows from it.
// Composable      entry. Used by cxx_new.cpp and cxx_new_forms.cpp.
#pragma once

#include <cstddef>
#include <new>

#include "superslab/block_record.h"
#include "api/hot.h"

#define HAK_PUBLIC [[gnu::visibility("default")]]
#define HAK_HIDDEN [[gnu::visibility("hidden")]]

extern "C" {

HAK_PUBLIC void* public_new(size_t) __asm__("_Znwm");
HAK_PUBLIC void* public_new_array(size_t) __asm__("_Znam");
HAK_PUBLIC void* public_new_aligned(size_t, std::align_val_t) __asm__("_ZnwmSt11align_val_t");
HAK_PUBLIC void* public_new_array_aligned(size_t, std::align_val_t) __asm__("_ZnamSt11align_val_t");
HAK_PUBLIC void public_delete(void*) noexcept __asm__("_ZdlPv");
HAK_PUBLIC void public_delete_array(void*) noexcept __asm__("_ZdaPv");
HAK_PUBLIC void public_delete_aligned(void*, std::align_val_t) noexcept __asm__(
    "_ZdlPvSt11align_val_t");
HAK_PUBLIC void public_delete_array_aligned(void*, std::align_val_t) noexcept __asm__(
    "_ZdaPvSt11align_val_t");

HAK_HIDDEN HAK_HOT void* hakmem_own_new(size_t size);
HAK_HIDDEN void* hakmem_own_new_array(size_t size);
HAK_HIDDEN void* hakmem_own_new_aligned(size_t size, std::align_val_t alignment);
HAK_HIDDEN void* hakmem_own_new_array_aligned(size_t size, std::align_val_t alignment);
HAK_HIDDEN HAK_HOT void hakmem_own_delete(void* block) noexcept;
HAK_HIDDEN void hakmem_own_delete_array(void* block) noexcept;
HAK_HIDDEN void hakmem_own_delete_aligned(void* block, std::align_val_t alignment) noexcept;
HAK_HIDDEN void hakmem_own_delete_array_aligned(void* block, std::align_val_t alignment) noexcept;
}

namespace hakmem::api {

// Hides where the address came from: a compiler may take two names for two functions, and the comparison
// for decided.
template <class Function>
bool is_replaced(Function* public_name, Function* own) {
  __asm__("" : "+r"(public_name));
  return public_name != own;
}

// The hardened flavour compares what a block came from with what frees it. It cannot where the program
// brought one operator of a pair and not the other.

inline bool plain_is_replaced() {
  return is_replaced(&public_new, &hakmem_own_new) || is_replaced(&public_delete, &hakmem_own_delete);
}
inline bool array_is_replaced() {
  return plain_is_replaced() || is_replaced(&public_new_array, &hakmem_own_new_array) ||
         is_replaced(&public_delete_array, &hakmem_own_delete_array);
}
inline bool aligned_is_replaced() {
  return is_replaced(&public_new_aligned, &hakmem_own_new_aligned) ||
         is_replaced(&public_delete_aligned, &hakmem_own_delete_aligned);
}
inline bool array_aligned_is_replaced() {
  return aligned_is_replaced() ||
         is_replaced(&public_new_array_aligned, &hakmem_own_new_array_aligned) ||
         is_replaced(&public_delete_array_aligned, &hakmem_own_delete_array_aligned);
}

inline Origin origin_of_plain() { return plain_is_replaced() ? Origin::kAny : Origin::kNew; }
inline Origin origin_of_aligned() {
  return aligned_is_replaced() ? Origin::kAny : Origin::kNewAligned;
}

}  // namespace hakmem::api
