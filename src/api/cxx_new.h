// api/cxx_new.h: the C++ operators' common ground.
//
// Responsibility  The names by which the forms reach the basic operators: the public ones, which
// the
//                 program may have replaced, and our own.
// Contract        The public names resolve as in any library: through the dynamic linker.
// Observable      replaced_new != own_new: the program brought its own.
// Composable      entry. Used by cxx_new.cpp and cxx_new_forms.cpp.
#pragma once

#include <cstddef>
#include <new>

extern "C" {
// Ours, hidden.
[[gnu::visibility("hidden")]] void* hakmem_own_new(size_t size);
[[gnu::visibility("hidden")]] void* hakmem_own_new_aligned(size_t size, std::align_val_t alignment);
[[gnu::visibility("hidden")]] void hakmem_own_delete(void* block) noexcept;
[[gnu::visibility("hidden")]] void hakmem_own_delete_aligned(void* block,
                                                             std::align_val_t alignment) noexcept;
}

namespace hakmem::api {

// Calls the program's new-handler; false when there is none.
bool call_new_handler();

}  // namespace hakmem::api
