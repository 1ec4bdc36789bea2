#include "checks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "child.h"
#include "run.h"

extern char** environ;

namespace hakmem::bench {
namespace {

constexpr const char* kLibrary = "{hakmem}";
constexpr std::chrono::seconds kTimeout{120};

// As one line: a reason stands in a list and in a table.
std::string in_one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::string line;
  for (const char c : text) {
    if (c == '\n') {
      line += "; ";
    } else if (c != ' ' || line.empty() || line.back() != ' ') {
      line += c;
    }
  }
  return line;
}

}  // namespace

GateResult run_check(const Check& check, const std::filesystem::path& library,
                     const std::vector<std::filesystem::path>& folders) {
  GateResult result{check.name, check.title, GateVerdict::kNotJudged, {}};
  const auto script = find_program(check.program, folders);
  if (!script) {
    result.reason = fmt::format("{} is not here", check.program);
    return result;
  }
  std::vector<std::string> command = {"python3", script->native()};
  for (const std::string& argument : check.args) {
    command.push_back(argument == kLibrary ? library.native() : argument);
  }
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const ChildResult child = run_child(command, environment, kTimeout);
  if (child.end == ChildResult::End::kInterrupted) {
    result.reason = "interrupted";
    return result;
  }
  const bool passed = child.end == ChildResult::End::kExited && child.value == 0;
  result.verdict = passed ? GateVerdict::kPass : GateVerdict::kFail;
  result.reason = in_one_line(child.out + child.err);
  if (result.reason.empty()) {
    result.reason = fmt::format("{} {}", check.program, passed ? "is content" : "failed");
  }
  return result;
}

}  // namespace hakmem::bench
