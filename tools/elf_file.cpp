#include "elf_file.h"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <iterator>

namespace hakmem::tools {
namespace {

// Of check_failed(): every build of the library has it.
constexpr const char* kMark = "hakmem: internal check failed: ";

class Image {
 public:
  explicit Image(std::string bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  bool at(std::size_t offset, T* out) const {
    if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) return false;
    std::memcpy(out, bytes_.data() + offset, sizeof(T));
    return true;
  }
  // Up to the NUL.
  std::string text_at(std::size_t offset) const {
    if (offset >= bytes_.size()) return {};
    return bytes_.substr(offset, bytes_.find('\0', offset) - offset);
  }
  bool contains(const std::string& text) const { return bytes_.find(text) != std::string::npos; }

 private:
  std::string bytes_;
};

std::vector<Elf64_Shdr> sections_of(const Image& image, const Elf64_Ehdr& header) {
  std::vector<Elf64_Shdr> sections;
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section{};
    if (!image.at(header.e_shoff + i * header.e_shentsize, &section)) break;
    sections.push_back(section);
  }
  return sections;
}

void read_symbols(const Image& image, const Elf64_Shdr& table, const Elf64_Shdr& names, bool exported,
                  ElfFile* out) {
  for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol{};
    if (!image.at(table.sh_offset + at, &symbol)) return;
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name == 0) continue;
    const std::string name = image.text_at(names.sh_offset + symbol.st_name);
    out->defined.insert(name);
    if (exported && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL) out->exported.insert(name);
  }
}

void read_dynamic(const Image& image, const Elf64_Shdr& table, const Elf64_Shdr& names, ElfFile* out) {
  for (std::size_t at = 0; at + sizeof(Elf64_Dyn) <= table.sh_size; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn entry{};
    if (!image.at(table.sh_offset + at, &entry) || entry.d_tag == DT_NULL) return;
    if (entry.d_tag == DT_NEEDED) out->needed.push_back(image.text_at(names.sh_offset + entry.d_un.d_val));
  }
}

}  // namespace

std::optional<ElfFile> read_elf(const std::string& path, Symbols symbols) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return std::nullopt;
  char magic[SELFMAG] = {};
  stream.read(magic, SELFMAG);
  if (std::memcmp(magic, ELFMAG, SELFMAG) != 0) return std::nullopt;
  stream.seekg(0);
  const Image image(std::string(std::istreambuf_iterator<char>(stream), {}));
  Elf64_Ehdr header{};
  if (!image.at(0, &header) || header.e_ident[EI_CLASS] != ELFCLASS64) return std::nullopt;
  ElfFile out;
  bool has_dynamic = false;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (!image.at(header.e_phoff + i * header.e_phentsize, &segment)) return std::nullopt;
    if (segment.p_type == PT_INTERP) out.interpreter = image.text_at(segment.p_offset);
    if (segment.p_type == PT_DYNAMIC) has_dynamic = true;
  }
  const std::vector<Elf64_Shdr> sections = sections_of(image, header);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& names = sections[section.sh_link];
    if (section.sh_type == SHT_DYNSYM) read_symbols(image, section, names, true, &out);
    if (section.sh_type == SHT_SYMTAB && symbols == Symbols::kAll) read_symbols(image, section, names, false, &out);
    if (section.sh_type == SHT_DYNAMIC) read_dynamic(image, section, names, &out);
  }
  // A static program that may lie anywhere has a dynamic section, too, but needs nothing.
  out.is_static = out.interpreter.empty() && (!has_dynamic || out.needed.empty());
  out.holds_hakmem = image.contains(kMark);
  return out;
}

std::string embedded_allocator(const ElfFile& file) {
  const std::pair<const char*, const char*> signs[] = {
      {"je_malloc", "jemalloc"},          {"je_arena_boot", "jemalloc"},     {"_rjem_malloc", "jemalloc"},
      {"malloc_conf_2_conf_harder", "jemalloc"}, {"mallctl", "jemalloc"},    {"mi_malloc", "mimalloc"},
      {"tc_malloc", "tcmalloc"},          {"TCMallocInternalMalloc", "tcmalloc"},
      {"rpmalloc", "rpmalloc"},           {"scalable_malloc", "tbbmalloc"},
  };
  for (const auto& [symbol, name] : signs) {
    if (file.defined.count(symbol) != 0) return name;
  }
  for (const std::string& symbol : file.defined) {
    if (symbol.find("PartitionRoot") != std::string::npos) return "PartitionAlloc";
  }
  return {};
}

}  // namespace hakmem::tools
