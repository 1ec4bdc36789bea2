#include "run.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "elf_check.h"
#include "elf_file.h"
#include "exit_code.h"
#include "installation.h"
#include "live/text.h"
#include "profile/command.h"
#include "search_path.h"

namespace hakmem::tools {
namespace {

namespace fs = std::filesystem;

template <typename... Args>
int fail(ExitCode code, fmt::format_string<Args...> text, Args&&... args) {
  fmt::print(stderr, "hakmem run: {}\n", fmt::format(text, std::forward<Args>(args)...));
  return code;
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

int exec_failed(const std::string& program, int error) {
  const bool missing = error == ENOENT;  // a script whose interpreter is not there
  return fail(missing            ? kExitNotFound
              : error == ENOEXEC ? kExitUnsupported
                                 : kExitPermission,
              "{}: {}", program, std::strerror(error));
}

volatile std::sig_atomic_t g_child = 0;

// Dies as the program did, without a second core dump.
[[noreturn]] void die_by(int number) {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  std::signal(number, SIG_DFL);
  raise(number);
  _exit(128 + number);
}

// Ctrl-C reaches the program by itself; what is sent to this process alone is passed on.
int run_and_wait(const std::string& program, std::vector<char*>& arguments, const RunOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  // A signal that comes before we pass them on waits until we do.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t child = fork();
  if (child < 0) return fail(kExitUnsupported, "cannot start a process: {}", std::strerror(errno));
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    execvp(program.c_str(), arguments.data());
    _exit(exec_failed(program, errno));
  }
  g_child = child;
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGQUIT, SIG_IGN);
  for (const int number : {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
    std::signal(number, [](int received) { kill(g_child, received); });
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  int status = 0;
  rusage usage{};
  if (!options.profile.empty()) {
    // Its number is still its own until it is waited for, and so is the file of that number.
    siginfo_t ended{};
    while (waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    write_profile_of_ended(child, options.profile);
  }
  while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const std::string end = WIFSIGNALED(status) ? fmt::format("ended by signal {}", WTERMSIG(status))
                                              : fmt::format("exit status {}", WEXITSTATUS(status));
  if (options.summary) {
    fmt::print(stderr, "hakmem: {}, {:.2f} s, processor {:.2f} s, peak resident memory {}\n", end, took.count(),
               static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
               bytes_text(static_cast<std::int64_t>(usage.ru_maxrss) * 1024));
  }
  if (WIFSIGNALED(status)) die_by(WTERMSIG(status));
  return WEXITSTATUS(status);
}

}  // namespace

int run(const std::vector<std::string>& command, const RunOptions& options) {
  const std::string& name = command.front();
  const std::optional<fs::path> library = find_library(options.library);
  if (!library) {
    return fail(kExitTargetMissing, "{} is neither beside this command nor in ../lib",
                file_name(options.library));
  }
  if (library->native().find_first_of(": ") != std::string::npos) {
    return fail(kExitUnsupported,
                "LD_PRELOAD cannot name {}: a blank or colon separates names there",
                library->native());
  }

  const std::optional<std::string> program = search_path(name);
  if (!program) return fail(kExitNotFound, "{}: command not found", name);
  std::error_code error;
  if (!fs::is_regular_file(*program, error)) return fail(kExitPermission, "{}: not a file", *program);
  if (access(program->c_str(), X_OK) != 0) {
    return fail(kExitPermission, "{}: {}", *program, std::strerror(errno));
  }
  const PreloadAnswer answer = check_preload(*program);
  if (answer.preload == Preload::kImpossible) {
    return fail(kExitUnsupported, "{} {}", *program, answer.reason);
  }
  if (!options.force) {
    const std::optional<ElfFile> elf = read_elf(*program, Symbols::kExported);
    if (elf && elf->exported.count("malloc") != 0 && !elf->holds_hakmem) {
      const std::string other = embedded_allocator(*elf);
      return fail(kExitUnsupported, "{} defines malloc itself{}, which comes before any preloaded one; --force runs it"
                  " all the same", *program, other.empty() ? "" : " (" + other + ")");
    }
  }

  setenv("LD_PRELOAD", preload_list(library->native()).c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  if (!options.profile.empty()) setenv("HAKMEM_PROFILE", "on", 1);
  if (options.summary || !options.profile.empty()) return run_and_wait(*program, arguments, options);
  execvp(program->c_str(), arguments.data());
  return exec_failed(*program, errno);
}

}  // namespace hakmem::tools
