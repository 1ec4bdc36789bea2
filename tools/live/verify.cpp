// hakmem verify: is the malloc of a program or process really hakmem's, and if not, why not.
#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "../elf_check.h"
#include "../elf_file.h"
#include "commands.h"
#include "failure.h"
#include "page.h"
#include "text.h"
#include "verify.h"

namespace hakmem::tools {
namespace {

// The output of a command, with an environment of its own; nothing when it fails.
std::optional<std::string> output_of(const std::vector<std::string>& command,
                                     const std::vector<std::string>& environment) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  std::vector<char*> arguments;
  std::vector<char*> variables;
  for (const std::string& text : command) arguments.push_back(const_cast<char*>(text.c_str()));
  for (const std::string& text : environment) variables.push_back(const_cast<char*>(text.c_str()));
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nothing, 2);
    execve(arguments[0], arguments.data(), variables.data());
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char part[4096];
  ssize_t got;
  while ((got = read(ends[0], part, sizeof(part))) > 0) text.append(part, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return std::nullopt;
  return text;
}

// The objects the dynamic linker would load, in the order in which it looks for malloc. It is the loader
// that lists them: the program itself does not run.
std::vector<std::string> loaded_objects(const std::string& path, const ElfFile& elf,
                                        const std::vector<std::string>& environment) {
  std::vector<std::string> objects;
  std::istringstream lines(output_of({elf.interpreter, "--list", path}, environment).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t arrow = line.find("=> ");
    const std::size_t start = arrow != std::string::npos ? arrow + 3 : line.find_first_not_of(" \t");
    if (start == std::string::npos) continue;
    const std::size_t end = line.find(" (0x", start);
    if (end != std::string::npos && line[start] == '/') objects.push_back(line.substr(start, end - start));
  }
  return objects;
}

bool is_hakmem(const ElfFile& elf) { return elf.holds_hakmem && elf.defined.count("malloc") != 0; }

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  return variables;
}

void add_warnings(const std::vector<std::string>& environment, Verdict* verdict) {
  const auto value = [&environment](const char* name) { return variable_of(environment, name).value_or(""); };
  if (value("HAKMEM_TINY_USE_SUPERSLAB") == "off" || value("HAKMEM_TINY_USE_SUPERSLAB") == "0") {
    verdict->hakmem = false;
    verdict->reason = "HAKMEM_TINY_USE_SUPERSLAB=off sends every request to libc's malloc";
    verdict->fix = "unset HAKMEM_TINY_USE_SUPERSLAB";
    verdict->cause = Cause::kSwitchedOff;
  }
}

Verdict verify_static(const std::string& path, const ElfFile& elf) {
  Verdict verdict;
  verdict.provider = path;
  verdict.hakmem = elf.holds_hakmem;
  const std::string other = embedded_allocator(elf);
  if (verdict.hakmem) {
    verdict.reason = "linked statically with libhakmem.a";
  } else {
    verdict.reason = other.empty() ? "statically linked, and hakmem is not in it"
                                   : fmt::format("statically linked with {}", other);
    verdict.fix = "link it with libhakmem.a (hakmem::static), or dynamically and use `hakmem run`";
  }
  return verdict;
}

Verdict verify_dynamic(const std::string& path, const ElfFile& elf, const std::vector<std::string>& environment) {
  Verdict verdict;
  std::vector<std::string> objects = loaded_objects(path, elf, environment);
  if (objects.empty()) {
    throw Failure(kExitUnsupported, "{}: its loader {} does not list what it loads; is a library missing?", path,
                  elf.interpreter);
  }
  objects.insert(objects.begin(), path);
  std::string loaded_in_vain;
  for (const std::string& object : objects) {
    const std::optional<ElfFile> file = object == path ? elf : read_elf(object);
    if (!file) continue;
    if (file->exported.count("malloc") != 0 && verdict.provider.empty()) {
      verdict.provider = object;
      verdict.hakmem = is_hakmem(*file);
    } else if (is_hakmem(*file)) {
      loaded_in_vain = object;
    }
    const std::string other = embedded_allocator(*file);
    if (!other.empty() && object != verdict.provider) {
      verdict.warnings.push_back(fmt::format("{} has {} inside: what it takes from that is not hakmem's", object, other));
    }
  }
  if (verdict.hakmem) {
    verdict.reason = verdict.provider == path ? "hakmem is linked into the program"
                                              : fmt::format("malloc comes from {}", verdict.provider);
  } else if (verdict.provider == path) {
    const std::string other = embedded_allocator(elf);
    verdict.reason = fmt::format("the program defines malloc itself{}", other.empty() ? "" : " (" + other + ")");
    verdict.fix = "build it without its own allocator: a preloaded library comes too late";
  } else if (!loaded_in_vain.empty()) {
    verdict.reason = fmt::format("malloc comes from {}, which comes before {}", verdict.provider, loaded_in_vain);
    verdict.fix = "name libhakmem.so first, in LD_PRELOAD or on the link line";
    verdict.cause = Cause::kOrder;
  } else {
    verdict.reason = fmt::format("malloc comes from {}; libhakmem.so is not loaded", verdict.provider);
    verdict.fix = fmt::format("hakmem run -- {}, or link it with hakmem::hakmem", path);
  }
  return verdict;
}

Verdict verify_file(const std::string& path, const std::vector<std::string>& environment) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    throw Failure(errno == EACCES ? kExitPermission : kExitTargetMissing, "{}: {}", path, std::strerror(errno));
  }
  if (access(path.c_str(), R_OK) != 0) throw Failure(kExitPermission, "{}: {}", path, std::strerror(errno));
  const std::optional<ElfFile> elf = read_elf(path);
  if (!elf) throw Failure(kExitUnsupported, "{} is not a 64-bit ELF program; of a script name its interpreter", path);
  if (elf->is_static) return verify_static(path, *elf);
  if (elf->interpreter.empty()) {
    throw Failure(kExitUnsupported, "{} is a library: what it gets depends on the program; verify that", path);
  }
  const PreloadAnswer preload = check_preload(path);
  Verdict verdict = verify_dynamic(path, *elf, environment);
  if (!verdict.hakmem && preload.preload == Preload::kImpossible) verdict.fix = "it " + preload.reason;
  add_warnings(environment, &verdict);
  return verdict;
}

}  // namespace

Verdict verify_process(int pid) {
  const ProcessInfo process = read_process(pid);
  const std::vector<Mapping> mappings = read_mappings(pid, Detail::kAddresses);
  const std::string program = "/proc/" + std::to_string(pid) + "/exe";
  const std::vector<std::string> environment = read_environment(pid);
  // Figures are proof: only a heap that serves shows any.
  if (find_page(mappings)) {
    try {
      const StatsPage page = read_page(pid);
      const auto live = static_cast<std::int64_t>(page.total("small_live_bytes") + page.total("huge_live_bytes"));
      Verdict verdict{true, mapped_library(mappings), "", "", {}, Cause::kOther};
      if (verdict.provider.empty()) verdict.provider = "the program itself";
      verdict.reason = fmt::format("its heap serves {} ({})", bytes_text(live), verdict.provider);
      return verdict;
    } catch (const Failure&) {
      // Judged by what is loaded.
    }
  }
  Verdict verdict = verify_file(program, environment);
  if (verdict.hakmem && verdict.provider != program && mapped_library(mappings).empty()) {
    verdict.hakmem = false;
    verdict.reason = "libhakmem.so is not mapped, although its LD_PRELOAD names it (is it set-user-ID?)";
  }
  if (!verdict.hakmem && !mapped_library(mappings).empty() && verdict.reason.find("not loaded") != std::string::npos) {
    verdict.reason = "libhakmem.so is mapped, but was loaded later (dlopen): malloc was bound before";
    verdict.fix = "preload it: hakmem run -- ...";
    verdict.cause = Cause::kLate;
  }
  return verdict;
}

namespace {

int report(const std::string& target, const Verdict& verdict, bool json) {
  if (json) {
    nlohmann::ordered_json out{{"schema", "hakmem.verify/1"}, {"target", target},         {"hakmem", verdict.hakmem},
                               {"malloc", verdict.provider},  {"reason", verdict.reason}, {"fix", verdict.fix},
                               {"warnings", verdict.warnings}};
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return verdict.hakmem ? kExitFine : kExitFinding;
  }
  fmt::print("{}: {}\n  reason   {}\n", target, verdict.hakmem ? "uses hakmem" : "does NOT use hakmem", verdict.reason);
  if (!verdict.fix.empty()) fmt::print("  fix      {}\n", verdict.fix);
  for (const std::string& warning : verdict.warnings) fmt::print("  but      {}\n", warning);
  return verdict.hakmem ? kExitFine : kExitFinding;
}

struct Options {
  std::string file;
  int pid = 0;
  bool json = false;
};

int verify(const Options& options) {
  if (options.pid != 0) {
    return report(fmt::format("process {}", options.pid), verify_process(options.pid), options.json);
  }
  if (options.file.empty()) throw Failure(kExitUsage, "verify takes a FILE or --pid P");
  return report(options.file, verify_file(options.file, own_environment()), options.json);
}

}  // namespace

void declare_verify(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("verify", "Is the malloc of a program or process really hakmem's?");
  const auto options = std::make_shared<Options>();
  CLI::Option* file = command->add_option("FILE", options->file, "a program, as it would start in this environment");
  command->add_option("--pid", options->pid, "a running process")->excludes(file)->check(CLI::PositiveNumber);
  command->add_flag("--json", options->json, "as JSON, schema hakmem.verify/1");
  command->footer("Examples:\n  hakmem verify ./server\n  HEALTHCHECK CMD hakmem verify --pid 1\n\n"
                  "Exit status 0: hakmem's; 1: not, and why not.");
  command->callback([options, action] { *action = [options] { return verify(*options); }; });
}

}  // namespace hakmem::tools
