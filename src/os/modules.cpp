#include "os/modules.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>

#include "base/bits.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

struct Search {
  uintptr_t address;
  Module module;
};

bool holds(const dl_phdr_info& info, uintptr_t address) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info.dlpi_phdr[i];
    const uintptr_t begin = info.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address - begin < segment.p_memsz) return true;
  }
  return false;
}

// One note is a header, a name and a description, the latter two padded to words.
void read_build_id(uintptr_t notes, size_t size, Module* module) {
  for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
    ElfW(Nhdr) note;
    memcpy(&note, reinterpret_cast<const void*>(notes + at), sizeof note);
    const uintptr_t name = notes + at + sizeof note;
    const uintptr_t description = name + round_up(note.n_namesz, 4);
    const bool is_build_id = note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
                             memcmp(reinterpret_cast<const void*>(name), "GNU", 4) == 0;
    if (is_build_id && note.n_descsz <= Module::kBuildIdMax) {
      memcpy(module->build_id, reinterpret_cast<const void*>(description), note.n_descsz);
      module->build_id_size = note.n_descsz;
      return;
    }
    at = description - notes + round_up(note.n_descsz, 4);
  }
}

void read_path(const char* name, Module* module) {
  if (name != nullptr && name[0] != '\0') {
    strncpy(module->path, name, Module::kPathMax - 1);
    return;
  }
  // The program itself has no name there. The link does not end in a zero byte; the path does.
  raw_syscall(SYS_readlinkat, AT_FDCWD, reinterpret_cast<long>("/proc/self/exe"),
              reinterpret_cast<long>(module->path), Module::kPathMax - 1);
}

int look_at(dl_phdr_info* info, size_t, void* context) {
  Search* search = static_cast<Search*>(context);
  if (!holds(*info, search->address)) return 0;
  Module& module = search->module;
  module.found = true;
  module.base = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_GNU_EH_FRAME) module.unwind_header = begin;
    if (segment.p_type == PT_NOTE && module.build_id_size == 0) {
      read_build_id(begin, segment.p_filesz, &module);
    }
  }
  read_path(info->dlpi_name, &module);
  return 1;
}

}  // namespace

Module module_at(uintptr_t address) {
  Search search{address, {}};
  dl_iterate_phdr(look_at, &search);
  return search.module;
}

CodeRange code_range_at(uintptr_t address) {
  CodeRange range;
#if __GLIBC_PREREQ(2, 35)
  dl_find_object found{};
  if (_dl_find_object(reinterpret_cast<void*>(address), &found) != 0) return range;
  range.begin = reinterpret_cast<uintptr_t>(found.dlfo_map_start);
  range.end = reinterpret_cast<uintptr_t>(found.dlfo_map_end);
  range.unwind_header = reinterpret_cast<uintptr_t>(found.dlfo_eh_frame);
  range.link_map = found.dlfo_link_map;
  const char* name = found.dlfo_link_map == nullptr ? nullptr : found.dlfo_link_map->l_name;
  range.is_program = name != nullptr && name[0] == '\0';
#else
  static_cast<void>(address);
#endif
  return range;
}

// The file's header is where its mappings begin.
Module module_of(const CodeRange& range) {
  Module module;
  const ElfW(Ehdr)* header = reinterpret_cast<const ElfW(Ehdr)*>(range.begin);
  const link_map* map = static_cast<const link_map*>(range.link_map);
  if (map == nullptr || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return module;
  module.found = true;
  module.base = map->l_addr;
  module.unwind_header = range.unwind_header;
  const ElfW(Phdr)* segments = reinterpret_cast<const ElfW(Phdr)*>(range.begin + header->e_phoff);
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_NOTE || module.build_id_size != 0) continue;
    read_build_id(module.base + segments[i].p_vaddr, segments[i].p_filesz, &module);
  }
  read_path(map->l_name, &module);
  return module;
}

}  // namespace hakmem::os
