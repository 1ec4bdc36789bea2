#include "run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <string_view>

#include "child.h"
#include "error.h"

extern char** environ;

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kPreload = "LD_PRELOAD=";
// A real program's script is no measured child: it preloads this into the program it starts.
constexpr const char* kScriptPreload = "BENCH_PRELOAD=";
// As in the tests: what a program says that cannot do its work here.
constexpr int kExitSkipped = 77;
// They would measure the caller's shell.
constexpr std::string_view kDropped[] = {
    "LD_PRELOAD=", "BENCH_PRELOAD=", "MALLOC_",        "MIMALLOC_",
    "TCMALLOC_",   "TBB_MALLOC_",    "_RJEM_",         "JE_",
    "RPMALLOC_",   "SNMALLOC_",      "GLIBC_TUNABLES="};

std::vector<std::string> environment_for(const Row& row, const Allocator& allocator) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    bool dropped = false;
    for (const std::string_view prefix : kDropped) dropped |= text.rfind(prefix, 0) == 0;
    if (!dropped) result.emplace_back(text);
  }
  if (row.real) {
    result.push_back(kScriptPreload + allocator.path.native());
  } else if (!allocator.path.empty()) {
    result.push_back(kPreload + allocator.path.native());
  }
  return result;
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \n\r\t");
  if (end == std::string::npos) return {};
  const std::size_t start = text.find_last_of('\n', end);
  std::string line = text.substr(start == std::string::npos ? 0 : start + 1, 300);
  return line.substr(0, end - (start == std::string::npos ? 0 : start + 1) + 1);
}

std::string with_message(const std::string& what, const std::string& err) {
  const std::string line = last_line(err);
  return line.empty() ? what : what + ": " + line;
}

std::string failure_of(const ChildResult& child, std::chrono::seconds timeout) {
  switch (child.end) {
    case ChildResult::End::kNotStarted:
      return fmt::format("could not be started: {}", std::strerror(child.value));
    case ChildResult::End::kTimedOut:
      return fmt::format("no result after {} s", timeout.count());
    case ChildResult::End::kSignalled: {
      const char* name = sigabbrev_np(child.value);
      return with_message(name != nullptr ? fmt::format("died of SIG{}", name)
                                          : fmt::format("died of signal {}", child.value),
                          child.err);
    }
    default:
      if (child.value == 0) return {};
      return with_message(fmt::format("exit status {}", child.value), child.err);
  }
}

// Whose malloc it was, as the child found it with dladdr().
std::string wrong_malloc(const json& result, const Allocator& allocator) {
  if (!result.contains("malloc_path") || !result["malloc_path"].is_string()) {
    return "the result does not say whose malloc it was (malloc_path)";
  }
  const fs::path holder = result["malloc_path"].get<std::string>();
  std::error_code error;
  const bool is_right = allocator.path.empty()
                            ? holder.filename().native().rfind("libc.so", 0) == 0
                            : fs::equivalent(holder, allocator.path, error) && !error;
  return is_right ? std::string{} : fmt::format("malloc came from {}", holder.native());
}

std::string read_result(const Row& row, const Allocator& allocator, const std::string& text,
                        Run* run) {
  run->result = json::parse(text, nullptr, false);
  if (!run->result.is_object()) {
    run->result = nullptr;
    return fmt::format("no result line but \"{}\"", last_line(text));
  }
  if (std::string wrong = wrong_malloc(run->result, allocator); !wrong.empty()) return wrong;
  const auto figure = run->result.find(row.figure);
  if (figure == run->result.end() || !figure->is_number() ||
      !std::isfinite(figure->get<double>())) {
    return fmt::format("the result has no number \"{}\"", row.figure);
  }
  run->figure = figure->get<double>() / row.scale;
  const auto peak = run->result.find("peak_rss_kib");
  if (peak != run->result.end() && peak->is_number()) {
    run->peak_rss_mib = peak->get<double>() / 1024.0;
  }
  return {};
}

}  // namespace

std::optional<fs::path> find_program(const std::string& name,
                                     const std::vector<fs::path>& folders) {
  for (const fs::path& folder : folders) {
    fs::path file = (folder / name).lexically_normal();
    std::error_code error;
    if (fs::is_regular_file(file, error)) return file;
  }
  return std::nullopt;
}

Launcher::Launcher(const std::vector<const Row*>& rows, std::vector<fs::path> folders,
                   std::chrono::seconds timeout)
    : folders_(std::move(folders)), timeout_(timeout) {
  for (const Row* row : rows) {
    const std::optional<fs::path> program = find_program(row->program, folders_);
    if (!program) {
      throw Error(tools::kExitTargetMissing,
                  fmt::format("row {}: {} is not in {} (the workloads are built by `cmake --build "
                              "build/release --target bench/all`)",
                              row->name, row->program, folders_.front().native()));
    }
    if (!row->real && access(program->c_str(), X_OK) != 0) {
      throw Error(tools::kExitPermission,
                  fmt::format("row {}: {} cannot be executed", row->name, program->native()));
    }
  }
}

std::vector<std::string> Launcher::command(const Row& row) const {
  std::vector<std::string> words;
  if (row.real) words.emplace_back("python3");
  words.push_back(find_program(row.program, folders_).value_or(row.program).native());
  words.insert(words.end(), row.args.begin(), row.args.end());
  return words;
}

bool Launcher::run(const Row& row, const Allocator& allocator, Run* run) const {
  const ChildResult child = run_child(command(row), environment_for(row, allocator), timeout_);
  if (child.end == ChildResult::End::kInterrupted) return false;
  if (child.end == ChildResult::End::kExited && child.value == kExitSkipped) {
    run->skipped = true;
    run->error = with_message("skipped", child.err.empty() ? child.out : child.err);
    return true;
  }
  run->error = failure_of(child, timeout_);
  if (run->error.empty()) run->error = read_result(row, allocator, child.out, run);
  return true;
}

}  // namespace hakmem::bench
