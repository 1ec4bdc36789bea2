#include "allocators.h"

#include <elf.h>
#include <fmt/format.h>
#include <glob.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include "../installation.h"
#include "error.h"

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSystem = "glibc";

struct Known {
  const char* name;
  const char* file;
  const char* package;  // of Debian
};
// oneTBB's malloc proper replaces nothing; its proxy does.
constexpr Known kKnown[] = {
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0"},
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2"},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"},
    {"tbbmalloc", "libtbbmalloc_proxy.so.2", "libtbbmalloc2"},
};

// A library in the multiarch folders (/usr/lib/x86_64-linux-gnu and its like) or the plain ones.
std::optional<fs::path> find_installed(const std::string& file) {
  utsname system{};
  uname(&system);
  std::optional<fs::path> found;
  for (const std::string& pattern :
       {fmt::format("/usr/lib/{}-linux-*/{}", system.machine, file),
        fmt::format("/usr/lib64/{}", file), fmt::format("/usr/lib/{}", file),
        fmt::format("/usr/local/lib/{}", file)}) {
    glob_t matches{};
    if (!found && glob(pattern.c_str(), 0, nullptr, &matches) == 0) found = matches.gl_pathv[0];
    globfree(&matches);
  }
  return found;
}

// The GNU build id in a file's notes. Searched for as bytes: the note's head is unmistakable, and
// the program headers say nothing that would help.
std::string build_id_of(const std::string& bytes) {
  using namespace std::string_view_literals;
  constexpr std::string_view kHead = "\x03\0\0\0GNU\0"sv;  // note type 3, name "GNU"
  const std::size_t head = bytes.find(kHead);
  if (head == std::string::npos || head < 8) return {};
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + head - sizeof length, sizeof length);
  const std::size_t start = head + kHead.size();
  if (length > 64 || start + length > bytes.size()) return {};
  std::string id;
  for (std::size_t i = 0; i < length; ++i) {
    id += fmt::format("{:02x}", static_cast<unsigned char>(bytes[start + i]));
  }
  return id;
}

Allocator make_allocator(const std::string& name, const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::error_code error;
  if (!fs::is_regular_file(path, error) || !stream) {
    throw Error(tools::kExitTargetMissing,
                fmt::format("{}: {} is not a file that can be read", name, path.native()));
  }
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  Elf64_Ehdr header{};
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_DYN) {
    throw Error(tools::kExitUnsupported,
                fmt::format("{}: {} is not a shared library", name, path.native()));
  }
  const fs::path absolute = fs::absolute(path).lexically_normal();
  if (absolute.native().find_first_of(": ") != std::string::npos) {
    throw Error(tools::kExitUnsupported,
                fmt::format("{}: LD_PRELOAD cannot name {}: a blank or colon separates names there",
                            name, absolute.native()));
  }
  return {name, absolute, build_id_of(bytes)};
}

bool has(const std::vector<Allocator>& allocators, const std::string& name) {
  return std::any_of(allocators.begin(), allocators.end(),
                     [&](const Allocator& allocator) { return allocator.name == name; });
}

fs::path hakmem_library(const fs::path& asked_for) {
  if (!asked_for.empty()) return asked_for;
  const std::optional<fs::path> library = tools::find_library();
  if (library) return *library;
  throw Error(tools::kExitTargetMissing,
              "libhakmem.so is neither beside this command nor in ../lib; --hakmem names it");
}

void add_named(const std::string& text, std::vector<Allocator>& allocators) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (equals == std::string::npos || name.empty() || equals + 1 == text.size() ||
      name.find_first_of(", \t\"<>&") != std::string::npos) {
    throw Error(tools::kExitUsage, fmt::format("--allocator {}: expected NAME=PATH", text));
  }
  if (has(allocators, name)) {
    throw Error(tools::kExitUsage,
                fmt::format("--allocator {}: there is a {} already", text, name));
  }
  allocators.push_back(make_allocator(name, text.substr(equals + 1)));
}

}  // namespace

AllocatorChoice choose_allocators(const fs::path& hakmem, const std::vector<std::string>& extra,
                                  const std::vector<std::string>& against) {
  AllocatorChoice choice;
  std::vector<Allocator>& found = choice.found;
  found.push_back(make_allocator("hakmem", hakmem_library(hakmem)));
  found.push_back({kSystem, {}, {}});
  for (const Known& known : kKnown) {
    const std::optional<fs::path> path = find_installed(known.file);
    if (path) {
      found.push_back(make_allocator(known.name, *path));
    } else {
      choice.missing.push_back(fmt::format("{}: {} is not installed (Debian: {})", known.name,
                                           known.file, known.package));
    }
  }
  for (const std::string& text : extra) add_named(text, found);

  if (!against.empty()) {
    for (const std::string& name : against) {
      if (name == "hakmem" || !has(found, name)) {
        std::vector<std::string> names;
        for (std::size_t i = 1; i < found.size(); ++i) names.push_back(found[i].name);
        throw Error(tools::kExitUsage,
                    fmt::format("--against {}: there are {}", name, fmt::join(names, ", ")));
      }
    }
    found.erase(std::remove_if(found.begin() + 1, found.end(),
                               [&](const Allocator& allocator) {
                                 return std::find(against.begin(), against.end(), allocator.name) ==
                                        against.end();
                               }),
                found.end());
    choice.missing.clear();
  }
  return choice;
}

}  // namespace hakmem::bench
