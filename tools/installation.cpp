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

std::optional<fs::path> find_library() {
  const auto library =
      find_file("libhakmem.so", {"", fs::path("..") / HAKMEM_LIBDIR, fs::path("..") / "lib"});
  if (!library) return std::nullopt;
  return fs::canonical(*library);
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
