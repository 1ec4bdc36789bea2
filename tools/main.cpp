// The hakmem command: one subcommand a file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "bench/command_line.h"
#include "exit_code.h"
#include "live/failure.h"
#include "live/live.h"
#include "run.h"

namespace {

namespace bench = hakmem::bench;
using namespace hakmem::tools;

constexpr const char* kRunDetails =
    "libhakmem.so is appended to LD_PRELOAD, and the program takes the place of this command, so "
    "its\n"
    "exit status, output and signals are its own. Its child processes inherit the preload. A "
    "program\n"
    "that cannot be preloaded (static, setuid, another C library or processor) is refused.\n\n"
    "When the program was not run, one line says why, and the exit status is 2 usage,\n"
    "3 libhakmem.so is missing, 4 no permission, 5 not a program for hakmem, 127 no such program.";

// The arguments of `hakmem run [--] PROGRAM ...`. They never pass through the option parser: what
// stands behind the program's name is the program's, `--help` and `--` included.
std::vector<std::string> command_to_run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2 || arguments[0] != "run") return {};
  const bool dashes = arguments[1] == "--";
  if (!dashes && arguments[1].rfind('-', 0) == 0) return {};
  return {arguments.begin() + (dashes ? 2 : 1), arguments.end()};
}

int dispatch(int argc, char** argv) {
  const std::vector<std::string> command = command_to_run({argv + 1, argv + argc});
  if (!command.empty()) return run(command);

  CLI::App app{"hakmem, a malloc for Linux", "hakmem"};
  app.set_version_flag("--version", "hakmem " HAKMEM_VERSION);
  app.require_subcommand(1);
  // Of `run`, what is left to parse is help and mistakes.
  CLI::App* run_help =
      app.add_subcommand("run", "Run a program under hakmem: run [--] PROGRAM ...");
  std::vector<std::string> program;
  run_help->add_option("PROGRAM", program, "the program and its arguments")->required();
  run_help->footer(kRunDetails);
  std::function<int()> action = [] { return kExitUsage; };
  declare_live(&app, &action);
  bench::declare_bench(&app, bench::shell_command(argc, argv), &action);
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
