#include "instructions.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "callgrind.h"

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Counted {
  unsigned long long instructions = 0;
  double operations = 0;
  std::string error;
  bool interrupted = false;
};

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

Counted run_counted(const Row& row, const fs::path& program, const Allocator& allocator,
                    unsigned long operations, const std::vector<std::string>& settings) {
  const ChildResult child = run_under_callgrind(
      row, program, allocator, operations,
      {"--callgrind-out-file=/dev/null", "--toggle-collect=malloc", "--toggle-collect=calloc",
       "--toggle-collect=free"},
      settings);
  if (child.end == ChildResult::End::kInterrupted) return {0, 0, {}, true};
  return read_count(child);
}

// calloc counts its callocs, which have a free each; the others count both calls.
double operations_of_pair(const Row& row) { return row.program == "calloc" ? 1.0 : 2.0; }

}  // namespace

InstructionCount count_instructions(const Row& row, const fs::path& program,
                                    const Allocator& allocator,
                                    const std::vector<std::string>& settings) {
  Counted counted[2];
  for (unsigned i = 0; i < 2; ++i) {
    counted[i] = run_counted(row, program, allocator, (i + 1) * operations_under_valgrind(row), settings);
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

}  // namespace hakmem::bench
