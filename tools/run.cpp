#include "run.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "elf_check.h"
#include "exit_code.h"
#include "installation.h"

namespace hakmem::tools {
namespace {

namespace fs = std::filesystem;

template <typename... Args>
int fail(ExitCode code, fmt::format_string<Args...> text, Args&&... args) {
  fmt::print(stderr, "hakmem run: {}\n", fmt::format(text, std::forward<Args>(args)...));
  return code;
}

bool is_file(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// What execvp() would run: the first executable of that name in PATH, else the first file at all.
std::optional<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    struct stat status {};
    if (stat(name.c_str(), &status) != 0) return std::nullopt;
    return name;
  }
  const char* search = std::getenv("PATH");
  const std::string path = search != nullptr ? search : "/bin:/usr/bin";
  std::optional<std::string> not_executable;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    const std::string folder = end == start ? "." : path.substr(start, end - start);
    const std::string file = folder + "/" + name;
    if (is_file(file)) {
      if (access(file.c_str(), X_OK) == 0) return file;
      if (!not_executable) not_executable = file;
    }
    start = end + 1;
  }
  return not_executable;
}

// Ours goes last: what is preloaded already was put there by somebody who wants to come first.
std::string preload_list(const std::string& library) {
  const char* before = std::getenv("LD_PRELOAD");
  if (before == nullptr || *before == '\0') return library;
  const std::string list = before;
  for (std::size_t start = 0; start < list.size();) {
    const std::size_t end = std::min(list.find_first_of(": ", start), list.size());
    if (list.compare(start, end - start, library) == 0) return list;
    start = end + 1;
  }
  return list + ":" + library;
}

}  // namespace

int run(const std::vector<std::string>& command) {
  const std::string& name = command.front();
  const std::optional<fs::path> library = find_library();
  if (!library) {
    return fail(kExitTargetMissing, "libhakmem.so is neither beside this command nor in ../lib");
  }
  if (library->native().find_first_of(": ") != std::string::npos) {
    return fail(kExitUnsupported,
                "LD_PRELOAD cannot name {}: a blank or colon separates names there",
                library->native());
  }

  const std::optional<std::string> program = find_program(name);
  if (!program) return fail(kExitNotFound, "{}: command not found", name);
  if (!is_file(*program)) return fail(kExitPermission, "{}: not a file", *program);
  if (access(program->c_str(), X_OK) != 0) {
    return fail(kExitPermission, "{}: {}", *program, std::strerror(errno));
  }
  const PreloadAnswer answer = check_preload(*program);
  if (answer.preload == Preload::kImpossible) {
    return fail(kExitUnsupported, "{} {}", *program, answer.reason);
  }

  setenv("LD_PRELOAD", preload_list(library->native()).c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  execvp(program->c_str(), arguments.data());
  const int error = errno;
  const bool missing = error == ENOENT;  // a script whose interpreter is not there
  return fail(missing            ? kExitNotFound
              : error == ENOEXEC ? kExitUnsupported
                                 : kExitPermission,
              "{}: {}", *program, std::strerror(error));
}

}  // namespace hakmem::tools
