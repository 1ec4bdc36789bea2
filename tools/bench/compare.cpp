#include "compare.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>

#include "../installation.h"
#include "checks.h"
#include "child.h"
#include "error.h"
#include "loss_profile.h"
#include "output_file.h"
#include "report.h"
#include "session.h"
#include "suite_file.h"

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;

constexpr double kSmokeBudgetSeconds = 180;

// Beside the suite, beside what the suite is a link to (a build tree links to the sources, where
// the scripts are), and where the workloads belong.
std::vector<fs::path> program_folders(const CompareOptions& options, const fs::path& suite) {
  std::vector<fs::path> folders;
  if (!options.bench_folder.empty()) folders.push_back(options.bench_folder);
  folders.push_back(fs::absolute(suite).parent_path());
  folders.push_back(fs::canonical(suite).parent_path());
  for (const fs::path& folder : tools::bench_folders()) folders.push_back(folder);
  if (const auto usual = tools::find_suite()) {
    folders.push_back(fs::canonical(*usual).parent_path());
  }
  return folders;
}

struct Selection {
  std::vector<const Row*> rows;
  std::vector<const Check*> checks;
};

// A script of a real program need not be part of an installation.
bool is_left_out(const Row& row, const CompareOptions& options,
                 const std::vector<fs::path>& folders) {
  if (!row.real || !options.rows.empty() || find_program(row.program, folders)) return false;
  fmt::print(stderr, "left out: row {}: {} is not here\n", row.name, row.program);
  return true;
}

Selection select(const Suite& suite, const CompareOptions& options,
                 const std::vector<fs::path>& folders) {
  Selection selection;
  const std::vector<std::string>& names = options.rows;
  const auto named = [&](const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  std::vector<std::string> known;
  for (const Row& row : suite.rows) {
    known.push_back(row.name);
    if (options.smoke && !row.smoke) continue;
    if (options.gates && !row.gate) continue;
    if (named(row.name) && !is_left_out(row, options, folders)) selection.rows.push_back(&row);
  }
  for (const Check& check : suite.checks) {
    known.push_back(check.name);
    const bool wanted = options.gates || !names.empty();
    if (wanted && named(check.name)) selection.checks.push_back(&check);
  }
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Error(tools::kExitUsage, fmt::format("--rows {}: there is no such row; there are {}",
                                                 name, fmt::join(known, ", ")));
    }
  }
  if (selection.rows.empty() && selection.checks.empty()) {
    throw Error(tools::kExitUsage, "no row is left to measure");
  }
  return selection;
}

void print_list(const Selection& selection, const AllocatorChoice& choice) {
  fmt::print("rows\n");
  for (const Row* row : selection.rows) {
    fmt::print("  {:<24}{:<9}{}{}\n", row->name, row->kind, row->title, row->gate ? " (gate)" : "");
  }
  for (const Check* check : selection.checks) {
    fmt::print("  {:<24}{:<9}{} (gate)\n", check->name, "check", check->title);
  }
  fmt::print("allocators\n");
  for (const Allocator& allocator : choice.found) {
    fmt::print("  {:<24}{}\n", allocator.name,
               allocator.path.empty() ? "the system's malloc" : allocator.path.native());
  }
  for (const std::string& missing : choice.missing) fmt::print("  not there: {}\n", missing);
}

std::string now_text() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

bool ours_failed(const Report& report) {
  return std::any_of(report.measurement.rows.begin(), report.measurement.rows.end(),
                     [](const RowSamples& samples) { return samples.failed(0); });
}

bool fails(const Report& report, const CompareOptions& options) {
  if (ours_failed(report)) return true;
  const double limit = 1.0 / (1.0 + options.fail_on_slower_by);
  for (const Comparison& comparison : report.comparisons) {
    if (options.fail_on_slower && comparison.verdict == Verdict::kSlower &&
        comparison.ratio < limit) {
      return true;
    }
  }
  for (const GateResult& gate : report.gates) {
    if (options.fail_on_gate && gate.verdict != GateVerdict::kPass) return true;
  }
  return false;
}

void write_files(const Report& report, std::optional<OutputFile>& json_file,
                 std::optional<OutputFile>& html_file) {
  if (!json_file && !html_file) return;
  const nlohmann::json document = json_report(report);
  if (json_file) {
    json_file->commit(document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) +
                      "\n");
  }
  if (html_file) html_file->commit(html_report(document, text_report(report, {true, true, false})));
}

void say_where(const CompareOptions& options) {
  if (!options.json.empty()) fmt::print("written: {}\n", options.json.native());
  if (!options.html.empty()) fmt::print("written: {}\n", options.html.native());
}

Report measure(const CompareOptions& options, const Settings& settings, const Selection& selection,
               const AllocatorChoice& choice, const std::vector<fs::path>& folders) {
  Report report;
  report.missing = choice.missing;
  report.machine = describe_machine();
  report.load_before = load_average();
  report.started = now_text();
  for (const std::string& missing : choice.missing) {
    fmt::print(stderr, "not compared with {}\n", missing);
  }
  const std::chrono::seconds timeout(static_cast<long>(settings.timeout_s + 0.999));
  const Launcher launcher(selection.rows, folders, timeout);
  Progress progress(options.no_progress);
  Session session(selection.rows, choice.found, settings, launcher, &progress);
  report.measurement = session.measure();
  report.comparisons = compare_all(report.measurement);
  report.gates = judge_gates(report.measurement);
  for (const Check* check : selection.checks) {
    if (report.measurement.interrupted_by != 0) break;
    report.gates.push_back(run_check(*check, choice.found.front().path, folders));
  }
  report.measurement.interrupted_by = Interrupt::pending();
  report.load_after = load_average();
  return report;
}

int run(const CompareOptions& options, const std::string& command_line) {
  const Suite suite = load_suite(choose_suite(options.suite));
  const std::vector<fs::path> folders = program_folders(options, suite.file);
  const Selection selection = select(suite, options, folders);
  const AllocatorChoice choice =
      choose_allocators(options.hakmem, options.allocators, options.against);
  if (options.list) {
    print_list(selection, choice);
    return tools::kExitFine;
  }
  std::optional<OutputFile> json_file;
  std::optional<OutputFile> html_file;
  if (!options.json.empty()) json_file.emplace(options.json);
  if (!options.html.empty()) html_file.emplace(options.html);
  Settings settings = options.settings;
  if (options.smoke && !options.budget_given) settings.budget_s = kSmokeBudgetSeconds;

  const Interrupt interrupt;  // until the files are written
  Report report = measure(options, settings, selection, choice, folders);
  report.command = command_line;
  if (html_file && !options.no_profile) {
    report.loss_profiles = profile_losses(report.measurement, report.comparisons, folders);
  }
  TextOptions text;
  text.all = options.all;
  text.gates = options.gates || options.fail_on_gate || !selection.checks.empty();
  text.colour = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  fmt::print("{}", text_report(report, text));
  std::fflush(stdout);
  write_files(report, json_file, html_file);
  say_where(options);
  if (report.measurement.interrupted_by != 0) {
    fmt::print(stderr, "hakmem bench compare: interrupted; the results are partial\n");
    return 128 + report.measurement.interrupted_by;
  }
  return fails(report, options) ? tools::kExitFinding : tools::kExitFine;
}

}  // namespace

int compare(const CompareOptions& options, const std::string& command_line) {
  try {
    return run(options, command_line);
  } catch (const Error& error) {
    fmt::print(stderr, "hakmem bench compare: {}\n", error.what());
    return error.code();
  }
}

}  // namespace hakmem::bench
