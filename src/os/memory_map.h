// os/memory_map.h: what is mapped at an address.
//
// Responsibility  Look one address up in /proc/self/maps.
// Contract        No allocation, the descriptor is closed before returning, errno untouched. Not
// found
//                 when /proc is missing.
// Observable      Nothing.
// Composable      Raw system calls. Used by heap/foreign.
#pragma once

#include <cstdint>

namespace hakmem::os {

struct MappingInfo {
  bool found = false;
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool readable_and_writable = false;
  bool is_program_heap = false;  // the brk area, named [heap]
  bool is_anonymous = false;     // no file and no name
};

MappingInfo mapping_at(uintptr_t address);

}  // namespace hakmem::os
