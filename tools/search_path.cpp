#include "search_path.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace hakmem::tools {
std::optional<std::string> search_path(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    std::error_code error;
    if (!std::filesystem::exists(name, error)) return std::nullopt;
    return name;
  }
  const char* search = std::getenv("PATH");
  const std::string path = search != nullptr ? search : "/bin:/usr/bin";
  std::optional<std::string> not_executable;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    const std::string folder = end == start ? "." : path.substr(start, end - start);
    const std::string file = folder + "/" + name;
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error)) {
      if (access(file.c_str(), X_OK) == 0) return file;
      if (!not_executable) not_executable = file;
    }
    start = end + 1;
  }
  return not_executable;
}

}  // namespace hakmem::tools
