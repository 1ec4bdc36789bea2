#include "scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "../installation.h"
#include "allocators.h"
#include "child.h"
#include "error.h"
#include "output_file.h"
#include "progress.h"
#include "run.h"
#include "scale_report.h"

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kTimeout{300};
// Fewer threads than these say little about what each costs.
constexpr unsigned kSleepersMin = 8;

Row row_of(const std::string& name, std::vector<std::string> args, const std::string& figure) {
  Row row;
  row.name = name;
  row.program = "scale";
  row.args = std::move(args);
  row.figure = figure;
  return row;
}

struct Task {
  unsigned threads = 0;
  std::uint64_t live = 0;  // 0: sleeping threads
  Row row;
  double weight = 0;  // how long it takes, roughly, in microseconds
};

std::vector<Task> tasks_of(const ScaleOptions& options) {
  std::vector<Task> tasks;
  for (const std::uint64_t live : options.live) {
    for (const unsigned threads : options.threads) {
      std::vector<std::string> args = {"work"};
      for (const std::uint64_t number :
           {std::uint64_t{threads}, live, options.steps, std::uint64_t{options.remote_percent},
            options.min_bytes, options.max_bytes, std::uint64_t{options.partners}}) {
        args.push_back(std::to_string(number));
      }
      const double weight = 20'000 + 0.1 * static_cast<double>(options.steps) * threads +
                            0.3 * static_cast<double>(live);
      tasks.push_back(
          {threads, live,
           row_of(fmt::format("{} threads, {} live", threads, live), std::move(args), "ops"),
           weight});
    }
  }
  for (const unsigned threads : options.threads) {
    if (threads < kSleepersMin) continue;
    tasks.push_back({threads, 0,
                     row_of(fmt::format("{} sleeping threads", threads),
                            {"idle", std::to_string(threads)}, "beyond_kib"),
                     20'000.0 + 300.0 * threads});
  }
  return tasks;
}

class Measuring {
 public:
  Measuring(const ScaleOptions& options, const Allocator& hakmem, const Launcher& launcher,
            double weight)
      : options_(options),
        hakmem_(hakmem),
        launcher_(launcher),
        progress_(options.no_progress),
        weight_left_(weight) {}

  // False when the user interrupted.
  bool run(const Task& task, ScaleReport* report) {
    std::vector<nlohmann::json> results;
    std::vector<CounterGrowth> counters;
    std::vector<double> beyond;
    for (std::size_t round = 1; round <= options_.rounds; ++round) {
      progress_.show(round, task.row.name, elapsed_s(), left_s());
      Run run;
      if (!launcher_.run(task.row, hakmem_, &run)) return false;
      weight_left_ -= task.weight;
      weight_done_ += task.weight;
      if (!run.counts()) {
        report->errors.push_back(fmt::format("{}: {}", task.row.name, run.error));
        return true;
      }
      if (!run.result["counters"].is_object()) {
        throw Error(tools::kExitUnsupported, "this libhakmem.so has no counters");
      }
      beyond.push_back(run.figure);
      counters.push_back(run.result["counters"].get<CounterGrowth>());
      results.push_back(std::move(run.result));
    }
    if (task.live == 0) {
      report->sleeping.push_back({task.threads, *std::max_element(beyond.begin(), beyond.end())});
      return true;
    }
    const std::uint64_t ops = results.front()["ops"].get<std::uint64_t>();
    report->points.push_back(
        {make_cell(task.threads, task.live, ops, counters), std::move(results)});
    return true;
  }

  void finish() { progress_.clear(); }

 private:
  [[nodiscard]] double elapsed_s() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  [[nodiscard]] double left_s() const {
    return weight_done_ == 0 ? -1 : elapsed_s() * weight_left_ / weight_done_;
  }

  const ScaleOptions& options_;
  const Allocator& hakmem_;
  const Launcher& launcher_;
  Progress progress_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double weight_left_;
  double weight_done_ = 0;
};

std::vector<fs::path> folders_of(const ScaleOptions& options) {
  std::vector<fs::path> folders;
  if (!options.bench_folder.empty()) folders.push_back(options.bench_folder);
  for (const fs::path& folder : tools::bench_folders()) folders.push_back(folder);
  return folders;
}

int run(const ScaleOptions& given, const std::string& command_line) {
  ScaleReport report;
  report.options = with_defaults(given);
  report.command = command_line;
  const ScaleOptions& options = report.options;
  const Allocator hakmem = choose_allocators(options.hakmem, {}, {}).found.front();
  if (options.max_bytes < options.min_bytes) {
    throw Error(tools::kExitUsage, "--max is below --min");
  }
  const std::vector<Task> tasks = tasks_of(options);
  const Launcher launcher({&tasks.front().row}, folders_of(options), kTimeout);
  std::optional<OutputFile> json_file;
  if (!options.json.empty()) json_file.emplace(options.json);

  const Interrupt interrupt;  // until the file is written
  double weight = 0;
  for (const Task& task : tasks) weight += task.weight * static_cast<double>(options.rounds);
  Measuring measuring(options, hakmem, launcher, weight);
  for (const Task& task : tasks) {
    if (!measuring.run(task, &report)) break;
  }
  measuring.finish();
  fmt::print("{}", scale_text(report));
  std::fflush(stdout);
  if (json_file) json_file->commit(scale_json(report).dump(1) + "\n");
  if (const int signal = Interrupt::pending(); signal != 0) {
    fmt::print(stderr, "hakmem bench scale: interrupted; the results are partial\n");
    return 128 + signal;
  }
  const bool failed = !report.errors.empty() || (options.fail_on_growth && report.grows());
  return failed ? tools::kExitFinding : tools::kExitFine;
}

}  // namespace

int scale(const ScaleOptions& options, const std::string& command_line) {
  try {
    return run(options, command_line);
  } catch (const Error& error) {
    fmt::print(stderr, "hakmem bench scale: {}\n", error.what());
    return error.code();
  }
}

}  // namespace hakmem::bench
