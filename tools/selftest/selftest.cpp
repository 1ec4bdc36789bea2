#include "selftest.h"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

#include "crimes.h"
#include "../exit_code.h"
#include "../installation.h"
#include "../live/text.h"

namespace hakmem::selftest {
namespace {

namespace fs = std::filesystem;
using tools::kExitFinding;
using tools::kExitFine;
using tools::kExitTargetMissing;
using tools::kExitUnsupported;

constexpr const char* kCommit = "--commit-crime";
constexpr std::chrono::seconds kPatience{60};

// Of a child that committed a crime and lived; beyond what shells and the loader use.
constexpr int kExitUnnoticed = 40;
constexpr int kExitHarmless = 41;

const std::vector<Crime>& crimes() {
  static const std::vector<Crime> all = [] {
    const std::span<const Crime> one = crimes_of_one_thread();
    const std::span<const Crime> two = crimes_of_two_threads();
    std::vector<Crime> both(one.begin(), one.end());
    both.insert(both.end(), two.begin(), two.end());
    return both;
  }();
  return all;
}

struct Verdict {
  bool caught = false;
  bool kept = false;  // the promise
  std::string by;     // what caught it, or how the child ended
};

struct Ending {
  int status = 0;
  bool hung = false;
  std::string errors;
};

[[noreturn]] void become_criminal(const Crime& crime, const fs::path& library, int errors) {
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(errors, STDERR_FILENO);
  setenv("LD_PRELOAD", library.c_str(), 1);
  execl("/proc/self/exe", "hakmem", kCommit, crime.name, static_cast<char*>(nullptr));
  _exit(126);
}

// Reads until the child has closed its end, or the time is up.
bool read_all(int from, std::string* text) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::array<char, 4096> part;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd waiting{from, POLLIN, 0};
    if (left.count() <= 0) return false;
    const int ready = poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return false;
    const ssize_t got = read(from, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    text->append(part.data(), static_cast<std::size_t>(got));
  }
}

Ending run_child(const Crime& crime, const fs::path& library) {
  Ending ending;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("cannot start a process");
  if (child == 0) become_criminal(crime, library, ends[1]);
  close(ends[1]);
  ending.hung = !read_all(ends[0], &ending.errors);
  close(ends[0]);
  if (ending.hung) kill(child, SIGKILL);
  while (waitpid(child, &ending.status, 0) != child) {
  }
  return ending;
}

// "==PID==ERROR: hakmem: MISTAKE on address ..." of the first line.
std::string mistake_of(const std::string& errors) {
  constexpr std::string_view kBefore = "ERROR: hakmem: ";
  constexpr std::string_view kBehind = " on address ";
  const std::string line = errors.substr(0, errors.find('\n'));
  const std::size_t begin = line.find(kBefore);
  const std::size_t end = line.find(kBehind);
  if (begin == std::string::npos || end == std::string::npos) return {};
  return line.substr(begin + kBefore.size(), end - begin - kBefore.size());
}

Verdict judge(const Expectation& expected, const Ending& ending) {
  Verdict verdict;
  const bool signalled = !ending.hung && WIFSIGNALED(ending.status);
  const int number = signalled ? WTERMSIG(ending.status) : 0;
  const int code = !ending.hung && WIFEXITED(ending.status) ? WEXITSTATUS(ending.status) : -1;
  Promise what = Promise::kNone;
  if (const std::string mistake = mistake_of(ending.errors); number == SIGABRT && !mistake.empty()) {
    what = Promise::kReport;
    verdict.by = mistake;
  } else if (number == SIGSEGV || number == SIGBUS) {
    what = Promise::kFault;
    verdict.by = "fault";
  } else if (code == kExitHarmless) {
    what = Promise::kHarmless;
    verdict.by = "made harmless";
  } else if (code != kExitUnnoticed) {
    verdict.by = ending.hung ? "hung" : fmt::format("ended with status {:#x}", ending.status);
  }
  verdict.caught = what != Promise::kNone;
  // What nobody promised may be caught, or crash; it must not hang, nor fail to start.
  if (expected.promise == Promise::kNone) {
    verdict.kept = verdict.caught || code == kExitUnnoticed;
  } else {
    verdict.kept = what == expected.promise &&
                   (expected.report == nullptr || verdict.by == expected.report);
  }
  return verdict;
}

struct Result {
  const Crime* crime;
  Verdict verdict[2];  // by Flavour
};

std::string cell(const Expectation& expected, const Verdict& verdict) {
  std::string text = verdict.caught ? "caught: " + verdict.by : "not caught";
  if (!verdict.caught && !verdict.by.empty()) text += " (" + verdict.by + ")";
  if (!verdict.kept) text += "  <- PROMISE BROKEN";
  else if (!verdict.caught && expected.promise == Promise::kNone) text += " (not promised)";
  return text;
}

void print_table(const std::vector<Result>& results) {
  fmt::print("{:<42} {:<56} {}\n", "crime", "libhakmem.so", "libhakmem-hardened.so");
  int caught[2] = {0, 0};
  for (const Result& result : results) {
    fmt::print("{:<42} {:<56} {}\n", result.crime->text,
               cell(result.crime->in_default, result.verdict[0]),
               cell(result.crime->in_hardened, result.verdict[1]));
    for (int i = 0; i < 2; ++i) caught[i] += result.verdict[i].caught ? 1 : 0;
  }
  fmt::print("\n{}: {} caught by libhakmem.so, {} by libhakmem-hardened.so\n", tools::counted(results.size(), "crime"),
             caught[0], caught[1]);
}

nlohmann::json as_json(const Expectation& expected, const Verdict& verdict) {
  return {{"promised", expected.promise != Promise::kNone},
          {"caught", verdict.caught},
          {"by", verdict.by},
          {"promise_kept", verdict.kept}};
}

void print_json(const std::vector<Result>& results, bool kept) {
  nlohmann::json list = nlohmann::json::array();
  for (const Result& result : results) {
    list.push_back({{"crime", result.crime->name},
                    {"text", result.crime->text},
                    {"default", as_json(result.crime->in_default, result.verdict[0])},
                    {"hardened", as_json(result.crime->in_hardened, result.verdict[1])}});
  }
  const nlohmann::json report = {{"promises_kept", kept}, {"crimes", list}};
  fmt::print("{}\n", report.dump(2));
}

struct Options {
  bool security = false;
  bool json = false;
  std::string default_library;
  std::string hardened_library;
};

int run_security(const Options& options) {
  fs::path libraries[2] = {options.default_library, options.hardened_library};
  for (int i = 0; i < 2; ++i) {
    const auto flavour = i == 0 ? tools::Library::kDefault : tools::Library::kHardened;
    if (libraries[i].empty()) libraries[i] = tools::find_library(flavour).value_or("");
    if (libraries[i].empty()) {
      fmt::print(stderr, "hakmem selftest: {} is neither beside this command nor in ../lib\n",
                 tools::file_name(flavour));
      return kExitTargetMissing;
    }
  }
  bool kept = true;
  std::vector<Result> results;
  for (const Crime& crime : crimes()) {
    Result result{&crime, {}};
    for (int i = 0; i < 2; ++i) {
      const Expectation& expected = crime.expectation(static_cast<Flavour>(i));
      result.verdict[i] = judge(expected, run_child(crime, libraries[i]));
      kept = kept && result.verdict[i].kept;
    }
    results.push_back(result);
  }
  options.json ? print_json(results, kept) : print_table(results);
  return kept ? kExitFine : kExitFinding;
}

}  // namespace

std::optional<int> committed_crime(const std::vector<std::string>& arguments) {
  if (arguments.size() != 2 || arguments[0] != kCommit) return std::nullopt;
  for (const Crime& crime : crimes()) {
    if (arguments[1] != crime.name) continue;
    _exit(crime.commit() == Aftermath::kHarmless ? kExitHarmless : kExitUnnoticed);
  }
  return kExitUnsupported;
}

void declare_selftest(CLI::App* app, std::function<int()>* action) {
  auto options = std::make_shared<Options>();
  CLI::App* selftest = app->add_subcommand("selftest", "Check what the libraries promise");
  selftest->add_flag("--security", options->security,
                     "commit each misuse of the heap in a child, under both flavours")->required();
  selftest->add_flag("--json", options->json, "print one JSON object instead of a table");
  selftest->add_option("--library", options->default_library, "instead of our libhakmem.so")
      ->check(CLI::ExistingFile);
  selftest->add_option("--hardened-library", options->hardened_library,
                       "instead of our libhakmem-hardened.so")->check(CLI::ExistingFile);
  selftest->footer("Exit status 1 when a crime that a flavour promises to catch was not caught.");
  selftest->callback([options, action] { *action = [options] { return run_security(*options); }; });
}

}  // namespace hakmem::selftest
