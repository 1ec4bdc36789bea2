#include "ceiling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>

#include "../installation.h"
#include "callgrind.h"
#include "child.h"
#include "error.h"
#include "instructions.h"
#include "run.h"
#include "statistics.h"
#include "suite_file.h"

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPoolVariable = "HAKMEM_BENCH_FAST_BLOCKS";
constexpr const char* kCeilingName = "ceiling";
constexpr std::size_t kNormal = 0;
constexpr std::size_t kCeiling = 1;
constexpr std::chrono::seconds kTimeout{120};

// The ceiling is never installed: it lies beside a command that was built.
fs::path ceiling_library(const CeilingOptions& options) {
  if (!options.ceiling.empty()) return options.ceiling;
  for (const fs::path& folder : tools::bench_folders()) {
    const fs::path library = folder.parent_path() / "libhakmem-benchfast.so";
    std::error_code error;
    if (fs::is_regular_file(library, error)) return library;
  }
  throw Error(tools::kExitTargetMissing,
              "libhakmem-benchfast.so is not beside this command (it is built by `cmake --build "
              "build/release --target bench/all`); --ceiling names it");
}

std::vector<const Row*> select(const Suite& suite, const std::vector<std::string>& names) {
  std::vector<const Row*> rows;
  std::vector<std::string> known;
  for (const Row& row : suite.rows) {
    if (!row.ceiling) continue;
    known.push_back(row.name);
    const bool named = std::find(names.begin(), names.end(), row.name) != names.end();
    if (names.empty() || named) rows.push_back(&row);
  }
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Error(tools::kExitUsage, fmt::format("--rows {}: no row with a ceiling; there are {}",
                                                 name, fmt::join(known, ", ")));
    }
  }
  if (rows.empty()) throw Error(tools::kExitUsage, "the suite has no row with a ceiling");
  return rows;
}

// How many blocks of a class the ceiling has. Set for its runs only: hakmem knows no such option,
// and says so. What the user has set holds for every row.
class PoolSize {
 public:
  PoolSize() {
    const char* set = std::getenv(kPoolVariable);
    if (set != nullptr) asked_for_ = set;
    unsetenv(kPoolVariable);
  }
  PoolSize(const PoolSize&) = delete;
  PoolSize& operator=(const PoolSize&) = delete;

  // Nothing: as many as the library has by itself.
  [[nodiscard]] std::optional<std::string> blocks(const Row& row) const {
    if (asked_for_) return asked_for_;
    return row.ceiling_blocks ? std::optional(std::to_string(*row.ceiling_blocks)) : std::nullopt;
  }

  bool run(const Launcher& launcher, const Row& row, const Allocator& allocator, Run* run) const {
    const std::optional<std::string> value = blocks(row);
    if (allocator.name == kCeilingName && value) setenv(kPoolVariable, value->c_str(), 1);
    const bool finished = launcher.run(row, allocator, run);
    unsetenv(kPoolVariable);
    return finished;
  }

 private:
  std::optional<std::string> asked_for_;
};

// One round of one row. False when the user interrupted.
bool run_both(RowSamples& samples, std::size_t round, const std::vector<Allocator>& allocators,
              const Launcher& launcher, const PoolSize& pool_size, std::mt19937& order) {
  const std::size_t first = order() % 2;
  for (const std::size_t index : {first, 1 - first}) {
    Run run;
    run.round = round;
    if (!pool_size.run(launcher, *samples.row, allocators[index], &run)) return false;
    samples.runs[index].push_back(std::move(run));
  }
  samples.rounds = round;
  return true;
}

bool is_valid(const RowSamples& samples) {
  return samples.rounds > 0 && !samples.failed(kNormal) && !samples.failed(kCeiling) &&
         samples.ratios(kCeiling).size() == samples.rounds;
}

void print_rows(const std::vector<RowSamples>& all) {
  fmt::print("{:<24}{:>12}{:>12}  {:<8}{:>18}   {}\n", "row", "normal", "ceiling", "",
             "normal / ceiling", "min..max");
  for (const RowSamples& samples : all) {
    if (samples.rounds == 0) continue;
    if (!is_valid(samples)) {
      fmt::print("{:<24}{:>12}\n", samples.row->name, "invalid");
      continue;
    }
    const std::vector<double> ratios = samples.ratios(kCeiling);
    const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
    fmt::print("{:<24}{:>12.2f}{:>12.2f}  {:<8}{:>18.3f}   {:.3f}..{:.3f}\n", samples.row->name,
               median(samples.figures(kNormal)), median(samples.figures(kCeiling)),
               samples.row->unit, median(ratios), *low, *high);
  }
  for (const RowSamples& samples : all) {
    for (const std::size_t index : {kNormal, kCeiling}) {
      for (const std::string& error : samples.errors(index)) {
        fmt::print("{} under {}: {}\n", samples.row->name, index == kNormal ? "hakmem" : "ceiling",
                   error);
      }
    }
  }
}

bool has_one_thread(const RowSamples& samples) {
  const nlohmann::json& result = samples.runs[kNormal].front().result;
  return result.value("threads", 0) == 1;
}

// Returns the interrupting signal, or 0.
int print_instructions(const std::vector<RowSamples>& all, const std::vector<Allocator>& allocators,
                       const std::vector<fs::path>& folders, const PoolSize& pool_size) {
  if (!valgrind_is_installed()) {
    fmt::print("\ninstructions: valgrind is not installed (Debian: valgrind)\n");
    return 0;
  }
  fmt::print("\ninstructions of malloc + free, a pair\n{:<24}{:>12}{:>12}{:>28}\n", "row", "normal",
             "ceiling", "normal / ceiling");
  for (const RowSamples& samples : all) {
    if (!is_valid(samples) || !has_one_thread(samples)) continue;
    const Row& row = *samples.row;
    const fs::path program = find_program(row.program, folders).value_or(row.program);
    InstructionCount counts[2];
    for (const std::size_t index : {kNormal, kCeiling}) {
      std::vector<std::string> settings;
      const std::optional<std::string> blocks = pool_size.blocks(row);
      if (index == kCeiling && blocks)
        settings.push_back(fmt::format("{}={}", kPoolVariable, *blocks));
      counts[index] = count_instructions(row, program, allocators[index], settings);
      if (counts[index].interrupted) return Interrupt::pending();
    }
    if (counts[kNormal].per_pair && counts[kCeiling].per_pair) {
      const double normal = *counts[kNormal].per_pair;
      const double ceiling = *counts[kCeiling].per_pair;
      fmt::print("{:<24}{:>12.2f}{:>12.2f}{:>28.3f}\n", row.name, normal, ceiling,
                 normal / ceiling);
    } else {
      fmt::print("{:<24}{:>12}  {}{}\n", row.name, "-", counts[kNormal].error,
                 counts[kCeiling].error);
    }
    std::fflush(stdout);
  }
  return 0;
}

int interrupted(int signal) {
  fmt::print(stderr, "hakmem bench ceiling: interrupted; the results are partial\n");
  return 128 + signal;
}

// Returns the interrupting signal, or 0.
int measure(std::vector<RowSamples>& all, const std::vector<Allocator>& allocators,
            const Launcher& launcher, const PoolSize& pool_size, const CeilingOptions& options) {
  std::mt19937 order(options.seed);
  for (std::size_t round = 1; round <= options.rounds; ++round) {
    for (RowSamples& samples : all) {
      if (round > 1 && !is_valid(samples)) continue;
      if (!run_both(samples, round, allocators, launcher, pool_size, order)) {
        return Interrupt::pending();
      }
    }
  }
  return 0;
}

int run(const CeilingOptions& options) {
  const Suite suite = load_suite(choose_suite(options.suite));
  const std::vector<const Row*> rows = select(suite, options.rows);
  if (options.list) {
    for (const Row* row : rows) fmt::print("{:<24}{}\n", row->name, row->title);
    return tools::kExitFine;
  }
  const std::vector<Allocator> allocators =
      choose_allocators(options.hakmem,
                        {fmt::format("{}={}", kCeilingName, ceiling_library(options).native())},
                        {kCeilingName})
          .found;
  std::vector<fs::path> folders;
  if (!options.bench_folder.empty()) folders.push_back(options.bench_folder);
  for (const fs::path& folder : tools::bench_folders()) folders.push_back(folder);
  const Launcher launcher(rows, folders, kTimeout);
  const PoolSize pool_size;
  std::vector<RowSamples> all(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    all[i].row = rows[i];
    all[i].runs.resize(allocators.size());
  }

  const Interrupt interrupt;
  if (const int signal = measure(all, allocators, launcher, pool_size, options); signal != 0) {
    print_rows(all);
    return interrupted(signal);
  }
  print_rows(all);
  std::fflush(stdout);
  if (options.instructions) {
    const int signal = print_instructions(all, allocators, folders, pool_size);
    if (signal != 0) return interrupted(signal);
  }
  return std::all_of(all.begin(), all.end(), is_valid) ? tools::kExitFine : tools::kExitFinding;
}

}  // namespace

int ceiling(const CeilingOptions& options) {
  try {
    return run(options);
  } catch (const Error& error) {
    fmt::print(stderr, "hakmem bench ceiling: {}\n", error.what());
    return error.code();
  }
}

}  // namespace hakmem::bench
