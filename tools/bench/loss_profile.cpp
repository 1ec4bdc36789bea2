#include "loss_profile.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "callgrind.h"
#include "callgrind_file.h"
#include "run.h"

namespace hakmem::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kLostBelow = 0.98;
constexpr std::size_t kFunctionsShown = 12;

struct Loss {
  const Row* row = nullptr;
  std::size_t against = 0;
};

// The worst comparison of each lost row; comparisons come with losses first, the largest first.
std::vector<Loss> find_losses(const Measurement& measurement,
                              const std::vector<Comparison>& comparisons) {
  std::map<std::size_t, const Comparison*> worst;
  for (const Comparison& comparison : comparisons) {
    const bool open = comparison.verdict == Verdict::kInconclusive && comparison.ratio < kLostBelow;
    if (comparison.verdict != Verdict::kSlower && !open) continue;
    const Comparison*& known = worst[comparison.row];
    if (known == nullptr || comparison.ratio < known->ratio) known = &comparison;
  }
  std::vector<Loss> losses;
  for (const auto& [row, comparison] : worst) {
    const Row* definition = measurement.rows[row].row;
    if (!definition->real && definition->kind == "speed") losses.push_back({definition, comparison->other});
  }
  return losses;
}

// A name in the folder for temporary files that goes away with its owner.
class TemporaryFile {
 public:
  TemporaryFile() {
    std::string name = (fs::temp_directory_path() / "hakmem-callgrind-XXXXXX").native();
    const int descriptor = mkstemp(name.data());
    if (descriptor < 0) return;
    close(descriptor);
    path_ = name;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

json describe(const CallgrindProfile& profile, double operations) {
  json result = {{"operations", operations},
                 {"instructions", static_cast<double>(profile.instructions) / operations},
                 {"system_calls", static_cast<double>(profile.system_calls) / operations},
                 {"system_ns", static_cast<double>(profile.system_ns) / operations},
                 {"functions", json::array()}};
  for (std::size_t i = 0; i < std::min(kFunctionsShown, profile.functions.size()); ++i) {
    const FunctionCost& function = profile.functions[i];
    result["functions"].push_back(
        {{"function", function.name},
         {"object", fs::path(function.object).filename().native()},
         {"instructions", static_cast<double>(function.instructions) / operations}});
  }
  return result;
}

json profile_one(const Row& row, const fs::path& program, const Allocator& allocator) {
  const TemporaryFile file;
  if (file.path().empty()) return {{"error", "no temporary file can be made"}};
  const ChildResult child = run_under_callgrind(
      row, program, allocator, operations_under_valgrind(row),
      {"--callgrind-out-file=" + file.path().native(), "--collect-systime=nsec"}, {});
  const json line = json::parse(child.out, nullptr, false);
  if (child.end != ChildResult::End::kExited || child.value != 0) {
    return {{"error", "the program does not run under valgrind with this allocator"}};
  }
  if (!line.is_object() || !line.contains("ops") || !line["ops"].is_number() || line["ops"] <= 0) {
    return {{"error", "the program did not say how many operations it made"}};
  }
  std::ifstream input(file.path());
  const CallgrindProfile profile = read_callgrind_file(input);
  if (profile.instructions == 0) return {{"error", "callgrind wrote no profile"}};
  return describe(profile, line["ops"].get<double>());
}

}  // namespace

json profile_losses(const Measurement& measurement, const std::vector<Comparison>& comparisons,
                    const std::vector<fs::path>& folders) {
  json profiles = json::array();
  const std::vector<Loss> losses = find_losses(measurement, comparisons);
  if (!losses.empty() && !valgrind_is_installed()) {
    fmt::print(stderr, "lost rows are not profiled: valgrind is not installed\n");
    return profiles;
  }
  for (const Loss& loss : losses) {
    if (Interrupt::pending() != 0) break;
    const auto program = find_program(loss.row->program, folders);
    if (!program) continue;
    const Allocator& other = measurement.allocators[loss.against];
    fmt::print(stderr, "profiling {}: hakmem and {} under callgrind\n", loss.row->name, other.name);
    profiles.push_back({{"row", loss.row->name},
                        {"against", other.name},
                        {"hakmem", profile_one(*loss.row, *program, measurement.allocators[0])},
                        {"other", profile_one(*loss.row, *program, other)}});
  }
  return profiles;
}

}  // namespace hakmem::bench
