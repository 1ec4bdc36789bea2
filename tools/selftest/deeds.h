// tools/selftest/deeds.h: what crimes are made of.
//
// Responsibility  Blocks whose history the compiler does not see; what a flavour says of a mistake.
// Contract        The flavours that are not preloaded are not called: libc's malloc and free alone.
// Observable      Nothing.
// Composable      libc only. Used by the files of crimes.
#pragma once

#include <dlfcn.h>
#include <malloc.h>

#include <cstdlib>

#include "crimes.h"

namespace hakmem::selftest {

inline constexpr std::size_t kKib = std::size_t{1} << 10;
inline constexpr std::size_t kMib = std::size_t{1} << 20;

inline char* get(std::size_t size) { return static_cast<char*>(std::malloc(size)); }

// A pointer whose origin the compiler does not know.
template <class T>
T* hidden(T* pointer) {
  __asm__ volatile("" : "+r"(pointer));
  return pointer;
}

inline void release(void* pointer) { std::free(hidden(pointer)); }

// Nothing happens where libc is older than the function.
inline void release_sized(void* pointer, std::size_t size) {
  using FreeSized = void (*)(void*, std::size_t);
  const auto free_sized = reinterpret_cast<FreeSized>(dlsym(RTLD_DEFAULT, "free_sized"));
  if (free_sized != nullptr) free_sized(hidden(pointer), size);
}

// In the default flavour a freed address waits on a stack, and is looked at when it leaves it.
inline Aftermath look_now() {
  malloc_trim(0);
  return Aftermath::kUnnoticed;
}

// Whatever was freed before is handed out again.
inline void use_many(std::size_t size) {
  static char* blocks[1000];
  for (int round = 0; round < 20; ++round) {
    for (char*& block : blocks) block = get(size);
    for (char* block : blocks) release(block);
  }
}

inline bool is_still_there(const char* block, char content, std::size_t size) {
  const volatile char* bytes = hidden(block);
  for (std::size_t i = 0; i < size; ++i) {
    if (bytes[i] == content) return true;
  }
  return false;
}

inline constexpr const char* kDouble = "double-free";
inline constexpr const char* kInterior = "free of an interior pointer";
inline constexpr const char* kForeign = "free of a pointer that malloc did not return";
inline constexpr const char* kReleased = "free of memory that was released";
inline constexpr const char* kNever = "free of a block that was not allocated";
inline constexpr const char* kOver = "heap-buffer-overflow";
inline constexpr const char* kUnder = "heap-buffer-underflow";
inline constexpr const char* kWritten = "write-after-free";
inline constexpr const char* kKind = "alloc-dealloc-mismatch";
inline constexpr const char* kSizes = "size-mismatch";
inline constexpr const char* kAlignments = "alignment-mismatch";

inline constexpr Expectation kNothing{};
inline constexpr Expectation kFaults{Promise::kFault, nullptr};
inline constexpr Expectation kIsHarmless{Promise::kHarmless, nullptr};
constexpr Expectation reported(const char* mistake) { return {Promise::kReport, mistake}; }

}  // namespace hakmem::selftest
