// tools/elf_file.h: what an ELF file needs and defines.
//
// Responsibility  Read dynamic section and symbol tables of a 64-bit program or library.
// Contract        A file that is none, or is damaged, gives nothing. Names come from section headers, which
//                 only unusual tools strip.
// Observable      ElfFile.
// Composable      Used by live/verify and run.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hakmem::tools {

struct ElfFile {
  bool is_static = false;            // a program without a dynamic linker
  std::string interpreter;
  std::vector<std::string> needed;
  std::set<std::string> exported;    // defined for others, of .dynsym
  std::set<std::string> defined;     // all that is defined, of .symtab too; fewer when stripped
  bool holds_hakmem = false;         // a message of hakmem's is in it
};

// The table of all symbols is long where a program is not stripped.
enum class Symbols { kAll, kExported };

std::optional<ElfFile> read_elf(const std::string& path, Symbols symbols = Symbols::kAll);

// The allocator whose internal names the file defines: "jemalloc", "mimalloc", "tcmalloc", "PartitionAlloc";
// "" for none.
std::string embedded_allocator(const ElfFile& file);

}  // namespace hakmem::tools
