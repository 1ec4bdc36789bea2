#include "instructions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "child.h"

extern char** environ;

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// valgrind is some fifty times slower, so a fiftieth of the row's operations takes about as long as
// the row. More than 400 000 say no more: a refill's share is right to a hundredth of an instruction.
constexpr unsigned long kSlowness = 50;
constexpr unsigned long kOperationsMin = 1000;
constexpr unsigned long kOperationsMax = 400'000;
constexpr std::chrono::seconds kTimeout{300};

struct Counted {
  unsigned long long instructions = 0;
  double operations = 0;
  std::string error;
  bool interrupted = false;
};

std::vector<std::string> environment_with(const Allocator& allocator,
                                          const std::vector<std::string>& settings) {
  std::vector<std::string> result = settings;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).rfind("LD_PRELOAD=", 0) != 0) result.emplace_back(*entry);
  }
  result.push_back("LD_PRELOAD=" + allocator.path.native());
  return result;
}

// "==7== Collected : 7570063" on stderr, and the program's own line on stdout.
Counted read_count(const ChildResult& child) {
  Counted counted;
  constexpr std::string_view kCollected = "Collected : ";
  const std::size_t at = child.err.find(kCollected);
  const json result = json::parse(child.out, nullptr, false);
  if (child.end != ChildResult::End::kExited || child.value != 0) {
    counted.error = fmt::format("under valgrind it ended with {}", child.value);
  } else if (at == std::string::npos || !result.is_object() || !result.contains("ops")) {
    counted.error = "callgrind reported no count";
  } else {
    counted.instructions = std::strtoull(&child.err[at + kCollected.size()], nullptr, 10);
    counted.operations = result["ops"].get<double>();
  }
  return counted;
}

Counted run_counted(const Row& row, const fs::path& program, unsigned long operations,
                    const std::vector<std::string>& environment) {
  std::vector<std::string> command = {
      "valgrind",
      "--tool=callgrind",
      "--callgrind-out-file=/dev/null",
      "--toggle-collect=malloc",
      "--toggle-collect=calloc",
      "--toggle-collect=free",
      program.native(),
      std::to_string(operations),
  };
  if (row.args.size() > 1) command.insert(command.end(), row.args.begin() + 1, row.args.end());
  const ChildResult child = run_child(command, environment, kTimeout);
  if (child.end == ChildResult::End::kInterrupted) return {0, 0, {}, true};
  return read_count(child);
}

unsigned long operations_of(const Row& row) {
  const unsigned long own = row.args.empty() ? 0 : std::strtoul(row.args[0].c_str(), nullptr, 10);
  return std::clamp(own / kSlowness, kOperationsMin, kOperationsMax);
}

// calloc counts its callocs, which have a free each; the others count both calls.
double operations_of_pair(const Row& row) { return row.program == "calloc" ? 1.0 : 2.0; }

}  // namespace

InstructionCount count_instructions(const Row& row, const fs::path& program,
                                    const Allocator& allocator,
                                    const std::vector<std::string>& settings) {
  const std::vector<std::string> environment = environment_with(allocator, settings);
  Counted counted[2];
  for (unsigned i = 0; i < 2; ++i) {
    counted[i] = run_counted(row, program, (i + 1) * operations_of(row), environment);
    if (counted[i].interrupted || !counted[i].error.empty()) {
      return {std::nullopt, counted[i].error, counted[i].interrupted};
    }
  }
  const double operations = counted[1].operations - counted[0].operations;
  if (operations <= 0 || counted[1].instructions < counted[0].instructions) {
    return {std::nullopt, "more operations did not take more instructions", false};
  }
  const auto instructions = static_cast<double>(counted[1].instructions - counted[0].instructions);
  return {instructions / operations * operations_of_pair(row), {}, false};
}

bool valgrind_is_installed() {
  const char* path = std::getenv("PATH");
  const std::string folders = path != nullptr ? path : "/usr/bin:/bin";
  for (std::size_t start = 0; start <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', start), folders.size());
    std::error_code error;
    if (fs::is_regular_file(fs::path(folders.substr(start, end - start)) / "valgrind", error)) {
      return true;
    }
    start = end + 1;
  }
  return false;
}

}  // namespace hakmem::bench
