// The hakmem command: one subcommand a file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "bench/command_line.h"
#include "exit_code.h"
#include "live/failure.h"
#include "live/live.h"
#include "manual.h"
#include "run.h"
#include "selftest/selftest.h"

namespace {

namespace bench = hakmem::bench;
using namespace hakmem::tools;

constexpr const char* kRunDetails =
    "The library is appended to LD_PRELOAD, and the program takes the place of this command, so "
    "its\n"
    "exit status, output and signals are its own. Its child processes inherit the preload. A "
    "program\n"
    "that cannot be preloaded (static, setuid, another C library or processor) is refused.\n\n"
    "When the program was not run, one line says why, and the exit status is 2 usage,\n"
    "3 the library is missing, 4 no permission, 5 not a program for hakmem, 127 no such program.";

// `hakmem run [--hardened] [--summary] [--profile FILE] [--force] [--] PROGRAM ...`. The program and its arguments never pass
// through the option parser: what stands behind the program's name is the program's, `--help` and `--`
// included.
std::vector<std::string> command_to_run(const std::vector<std::string>& arguments, RunOptions* options) {
  if (arguments.empty() || arguments[0] != "run") return {};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--hardened") {
      options->library = Library::kHardened;
    } else if (argument == "--summary") {
      options->summary = true;
    } else if (argument == "--profile" && i + 1 < arguments.size()) {
      options->profile = arguments[++i];
    } else if (argument == "--force") {
      options->force = true;
    } else if (argument == "--") {
      return {arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end()};
    } else if (argument.rfind('-', 0) == 0) {
      return {};
    } else {
      return {arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end()};
    }
  }
  return {};
}

// `hakmem --generate-man PAGE`, `--generate-completion SHELL`, `--generate-manual FOLDER` (all of them): for the build.
std::optional<int> generate(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.size() != 2) return std::nullopt;
  std::optional<std::string> text;
  if (arguments[0] == "--generate-man") {
    text = man_page(app, arguments[1]);
  } else if (arguments[0] == "--generate-completion") {
    text = completion(app, arguments[1]);
  } else if (arguments[0] == "--generate-manual") {
    write_manual(app, arguments[1]);
    text = "";
  } else {
    return std::nullopt;
  }
  if (!text) throw Failure(kExitUsage, "{} {}: there is none of that name", arguments[0], arguments[1]);
  fmt::print("{}", *text);
  return kExitFine;
}

int dispatch(int argc, char** argv) {
  const std::vector<std::string> arguments{argv + 1, argv + argc};
  if (const auto status = hakmem::selftest::committed_crime(arguments)) return *status;
  RunOptions options;
  const std::vector<std::string> command = command_to_run(arguments, &options);
  if (!command.empty()) return run(command, options);

  CLI::App app{"hakmem, a malloc for Linux", "hakmem"};
  app.set_version_flag("--version", "hakmem " HAKMEM_VERSION);
  app.require_subcommand(1);
  // Of `run`, what is left to parse is help and mistakes.
  CLI::App* run_help =
      app.add_subcommand("run", "Run a program under hakmem: run [--hardened] [--summary] [--] PROGRAM ...");
  bool hardened = false;
  run_help->add_flag("--hardened", hardened, "under libhakmem-hardened.so: every check, see docs/THREAT-MODEL.md");
  std::vector<std::string> program;
  run_help->add_option("PROGRAM", program, "the program and its arguments")->required();
  run_help->add_flag("--summary", options.summary,
                     "wait for it, and say in one line at its end what it took");
  run_help->add_option("--profile", options.profile, "wait for it, and write its heap profile to this file (pprof)");
  run_help->add_flag("--force", options.force, "also a program that has a malloc of its own");
  run_help->footer(kRunDetails);
  std::function<int()> action = [] { return kExitUsage; };
  declare_live(&app, &action);
  hakmem::selftest::declare_selftest(&app, &action);
  bench::declare_bench(&app, bench::shell_command(argc, argv), &action);
  if (const auto status = generate(app, arguments)) return *status;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitFine : kExitUsage;
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return dispatch(argc, argv);
  } catch (const Failure& failure) {
    fmt::print(stderr, "hakmem: {}\n", failure.what());
    return failure.code();
  } catch (const std::exception& error) {
    fmt::print(stderr, "hakmem: {}\n", error.what());
    return kExitUnsupported;
  }
}
