#include "elf_check.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace hakmem::tools {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kOurMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kOurMachine = EM_AARCH64;
#else
#error "hakmem runs on x86-64 and aarch64"
#endif

// The kernel follows four scripts that are interpreted by scripts; so do we.
constexpr int kScriptDepthMax = 4;

PreloadAnswer possible() { return {Preload::kPossible, {}}; }
PreloadAnswer impossible(std::string reason) { return {Preload::kImpossible, std::move(reason)}; }

template <typename T>
bool read_at(std::ifstream& file, std::uint64_t offset, T* out, std::size_t count = 1) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(out), static_cast<std::streamsize>(sizeof(T) * count));
  return file.good();
}

// glibc runs a program that gains rights in secure-execution mode, where LD_PRELOAD paths are void.
PreloadAnswer check_rights(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    return {Preload::kUnreadable, fmt::format("cannot be examined ({})", std::strerror(errno))};
  }
  if ((status.st_mode & S_ISUID) != 0) {
    return impossible("is setuid: the dynamic linker ignores LD_PRELOAD for such programs");
  }
  if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
    return impossible("is setgid: the dynamic linker ignores LD_PRELOAD for such programs");
  }
  if (geteuid() != 0 && getxattr(path.c_str(), "security.capability", nullptr, 0) > 0) {
    return impossible(
        "has file capabilities: the dynamic linker ignores LD_PRELOAD for such programs");
  }
  return possible();
}

PreloadAnswer check_elf(std::ifstream& file) {
  Elf64_Ehdr header{};
  if (!read_at(file, 0, &header) || header.e_ident[EI_CLASS] != ELFCLASS64) {
    return impossible("is not a 64-bit program");
  }
  if (header.e_machine != kOurMachine) return impossible("is built for another processor");
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (header.e_phentsize != sizeof(Elf64_Phdr) ||
      !read_at(file, header.e_phoff, segments.data(), segments.size())) {
    return impossible("has a damaged program header");
  }
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_INTERP) continue;
    std::string loader(segment.p_filesz < 4096 ? segment.p_filesz : 0, '\0');
    if (!read_at(file, segment.p_offset, loader.data(), loader.size())) break;
    loader = loader.c_str();  // the segment ends in a zero byte
    if (loader.find("/ld-linux") == std::string::npos) {
      return impossible(
          fmt::format("uses another C library than glibc (its loader is {})", loader));
    }
    return possible();
  }
  return impossible("is statically linked: there is no dynamic linker to preload hakmem");
}

// "#!interpreter argument": the interpreter, or nothing when the line is not of that kind.
std::string script_interpreter(std::ifstream& file) {
  file.clear();
  file.seekg(0);
  std::string line;
  std::getline(file, line);
  if (line.rfind("#!", 0) != 0) return {};
  const std::size_t start = line.find_first_not_of(" \t", 2);
  if (start == std::string::npos) return {};
  return line.substr(start, line.find_first_of(" \t\r", start) - start);
}

PreloadAnswer check_file(const std::string& path, int depth) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return {Preload::kUnreadable, fmt::format("cannot be examined ({})", std::strerror(errno))};
  }
  char magic[SELFMAG] = {};
  if (read_at(file, 0, magic, SELFMAG) && std::memcmp(magic, ELFMAG, SELFMAG) == 0) {
    PreloadAnswer answer = check_rights(path);
    return answer.preload == Preload::kImpossible ? answer : check_elf(file);
  }
  const std::string interpreter = script_interpreter(file);
  // A file that is neither is run by /bin/sh, as a shell and execvp() do it.
  if (interpreter.empty()) return possible();
  if (depth == kScriptDepthMax) return impossible("is a script in too many scripts");
  PreloadAnswer answer = check_file(interpreter, depth + 1);
  if (answer.preload != Preload::kPossible) {
    answer.reason =
        fmt::format("is a script, and its interpreter {} {}", interpreter, answer.reason);
  }
  return answer;
}

}  // namespace

PreloadAnswer check_preload(const std::string& path) { return check_file(path, 0); }

}  // namespace hakmem::tools
