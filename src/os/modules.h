// os/modules.h: the program and the shared libraries it is made of.
//
// Responsibility  Say which file an address of code belongs to, and where its tables are.
// Contract        Allocates nothing. Takes the dynamic linker's lock for a moment, so it is for a process
//                 that is about to end; code_range_at() and module_of() take none. The path is the linker's; the program's own is read from /proc.
// Observable      Nothing.
// Composable      dl_iterate_phdr, raw system calls. Used by os/unwind, superslab/misuse, profile.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::os {

struct Module {
  static constexpr size_t kPathMax = 256;
  static constexpr size_t kBuildIdMax = 32;

  bool found = false;
  uintptr_t base = 0;            // what its addresses are relative to
  uintptr_t unwind_header = 0;   // .eh_frame_hdr; 0: none
  uint8_t build_id[kBuildIdMax] = {};
  size_t build_id_size = 0;      // 0: none
  char path[kPathMax] = {};
};

Module module_at(uintptr_t address);

// The same without any lock, for whoever asks often, and anywhere: with glibc 2.35 and newer, and a library
// built with it needs that. Before, nothing is found.
inline constexpr bool kFindsCodeWithoutLock = __GLIBC_PREREQ(2, 35);
struct CodeRange {
  uintptr_t begin = 0;  // both 0: no module's code
  uintptr_t end = 0;
  uintptr_t unwind_header = 0;
  const void* link_map = nullptr;
  bool is_program = false;  // and no library
};
CodeRange code_range_at(uintptr_t address);
Module module_of(const CodeRange& range);

}  // namespace hakmem::os
