#include "installation.h"

#include <system_error>

namespace hakmem::tools {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> command_folder() {
  std::error_code error;
  const fs::path command = fs::read_symlink("/proc/self/exe", error);
  if (error) return std::nullopt;
  return command.parent_path();
}

// The first of `folders` (relative to the command's) that has a file of that name.
std::optional<fs::path> find_file(const char* name, const std::vector<fs::path>& folders) {
  const std::optional<fs::path> here = command_folder();
  if (!here) return std::nullopt;
  for (const fs::path& folder : folders) {
    std::error_code error;
    fs::path file = *here / folder / name;
    if (fs::is_regular_file(file, error)) return file.lexically_normal();
  }
  return std::nullopt;
}

}  // namespace

const char* file_name(Library library) {
  return library == Library::kHardened ? "libhakmem-hardened.so" : "libhakmem.so";
}

std::optional<fs::path> find_library(Library library) {
  const auto file =
      find_file(file_name(library), {"", fs::path("..") / HAKMEM_LIBDIR, fs::path("..") / "lib"});
  if (!file) return std::nullopt;
  // Not what that links to: the name without a version is the same tomorrow.
  return fs::canonical(file->parent_path()) / file->filename();
}

std::optional<fs::path> find_suite() {
  return find_file("suite.json", {"bench", "../share/hakmem"});
}

std::vector<fs::path> bench_folders() {
  const std::optional<fs::path> here = command_folder();
  if (!here) return {};
  return {*here / "bench", (*here / "../libexec/hakmem").lexically_normal()};
}

}  // namespace hakmem::tools
