#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "../live/text.h"
#include "progress.h"
#include "report.h"

namespace hakmem::bench {
namespace {

using Out = std::back_insert_iterator<std::string>;

constexpr const char* kRed = "\033[31m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kPlain = "\033[0m";

struct Cells {
  std::string row, ours, theirs, ratio, verdict, our_peak, their_peak;
};
constexpr std::size_t kColumns = 7;

std::vector<std::string> as_list(const Cells& cells) {
  return {cells.row,     cells.ours,     cells.theirs,    cells.ratio,
          cells.verdict, cells.our_peak, cells.their_peak};
}

std::string median_text(const std::vector<double>& values) {
  return values.empty() ? "-" : number_text(median(values));
}

Cells cells_of(const Report& report, const Comparison& comparison) {
  const RowSamples& samples = report.measurement.rows[comparison.row];
  Cells cells;
  cells.row = samples.row->name;
  cells.ours = median_text(samples.figures(0)) + " " + samples.row->unit;
  cells.theirs = fmt::format("{} {}", median_text(samples.figures(comparison.other)),
                             report.measurement.allocators[comparison.other].name);
  cells.ratio = fmt::format("{:.3f}", comparison.ratio);
  cells.ratio += comparison.interval ? fmt::format(" [{:.3f}, {:.3f}]", comparison.interval->low,
                                                   comparison.interval->high)
                                     : " [too few runs]";
  cells.verdict = word(comparison.verdict);
  cells.our_peak = median_text(samples.peaks_mib(0));
  cells.their_peak = median_text(samples.peaks_mib(comparison.other));
  return cells;
}

// Every loss, and for the other rows the hardest comparison: the list is sorted by hardness.
std::vector<const Comparison*> chosen(const Report& report, bool all) {
  std::vector<const Comparison*> result;
  std::set<std::size_t> rows;
  for (const Comparison& comparison : report.comparisons) {
    const bool is_first = rows.insert(comparison.row).second;
    if (all || is_first || comparison.verdict == Verdict::kSlower) result.push_back(&comparison);
  }
  return result;
}

void print_table(const Report& report, const TextOptions& options, Out out) {
  const std::vector<const Comparison*> comparisons = chosen(report, options.all);
  if (comparisons.empty()) {
    fmt::format_to(out, "nothing could be compared\n");
    return;
  }
  std::vector<std::vector<std::string>> lines = {
      as_list({"row", "hakmem", options.all ? "other" : "best other", "ratio [95 % interval]",
               "verdict", "peak MiB", "theirs"})};
  for (const Comparison* comparison : comparisons) {
    lines.push_back(as_list(cells_of(report, *comparison)));
  }
  std::vector<std::size_t> widths(kColumns);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::vector<std::string>& line = lines[i];
    const bool coloured = options.colour && i > 0;
    const bool won = coloured && line[4] == "faster";
    const bool lost = coloured && line[4] == "slower";
    fmt::format_to(out, "{:<{}}  {:>{}}  {:>{}}  {:<{}}  {}{:<{}}{}  {:>{}}  {:>{}}\n", line[0],
                   widths[0], line[1], widths[1], line[2], widths[2], line[3], widths[3],
                   won    ? kGreen
                   : lost ? kRed
                          : "",
                   line[4], widths[4], won || lost ? kPlain : "", line[5], widths[5], line[6],
                   widths[6]);
  }
}

void print_counts(const Report& report, Out out) {
  std::size_t counts[4] = {};
  for (const Comparison& comparison : report.comparisons) {
    ++counts[static_cast<std::size_t>(comparison.verdict)];
  }
  const Settings& settings = report.measurement.settings;
  fmt::format_to(out,
                 "\nof {}: {} slower, {} inconclusive, {} equivalent (within {:g} %), "
                 "{} faster\n",
                 tools::counted(report.comparisons.size(), "comparison"), counts[0], counts[1], counts[2],
                 settings.margin * 100.0, counts[3]);
  fmt::format_to(out, "ratio above 1: hakmem is better; median of the ratios within the rounds\n");
}

// How many rounds there were, and why a row has no more.
void print_rounds(const Report& report, Out out) {
  std::size_t least = SIZE_MAX;
  std::size_t most = 0;
  std::size_t by_reason[5] = {};
  for (const RowSamples& samples : report.measurement.rows) {
    least = std::min(least, samples.rounds);
    most = std::max(most, samples.rounds);
    ++by_reason[static_cast<std::size_t>(samples.stop)];
  }
  const std::size_t needed = rounds_for_a_verdict(report);
  if (most < needed && !report.comparisons.empty()) {
    fmt::format_to(out,
                   "with {} no verdict but inconclusive is possible before round {}\n",
                   tools::counted(report.comparisons.size(), "comparison"), needed);
  }
  fmt::format_to(out, "{} {} in {}, seed {}; rows that ended by: ",
                 least == most ? fmt::format("{}", most) : fmt::format("{} to {}", least, most),
                 tools::form_of(most, "round"), duration_text(report.measurement.seconds),
                 report.measurement.settings.seed);
  const char* separator = "";
  for (const Stop stop :
       {Stop::kPrecision, Stop::kRounds, Stop::kBudget, Stop::kInterrupted, Stop::kGaveUp}) {
    const std::size_t count = by_reason[static_cast<std::size_t>(stop)];
    if (count == 0) continue;
    fmt::format_to(out, "{}{} {}", separator, word(stop), count);
    separator = ", ";
  }
  fmt::format_to(out, "\n");
}

void print_failures(const Report& report, Out out) {
  for (const RowSamples& samples : report.measurement.rows) {
    for (std::size_t i = 0; i < samples.runs.size(); ++i) {
      const char* what = samples.failed(i) ? "failed" : "left out";
      for (const std::string& error : samples.errors(i)) {
        fmt::format_to(out, "{}: {} under {}: {}\n", what, samples.row->name,
                       report.measurement.allocators[i].name, error);
      }
    }
  }
}

void print_gates(const Report& report, Out out) {
  std::size_t passed = 0;
  fmt::format_to(out, "\n");
  for (const GateResult& gate : report.gates) {
    passed += gate.verdict == GateVerdict::kPass ? 1 : 0;
    fmt::format_to(out, "{:<10}  {}: {}\n", word(gate.verdict), gate.name, gate.reason);
  }
  fmt::format_to(out, "{} of {} gates passed\n", passed, report.gates.size());
}

}  // namespace

const char* word(Stop stop) {
  switch (stop) {
    case Stop::kRounds:
      return "rounds";
    case Stop::kPrecision:
      return "precision";
    case Stop::kBudget:
      return "budget";
    case Stop::kInterrupted:
      return "interrupted";
    case Stop::kGaveUp:
      break;
  }
  return "gave up";
}

std::size_t rounds_for_a_verdict(const Report& report) {
  return sample_size_min(report.comparisons.size(), report.measurement.settings.confidence);
}

std::string number_text(double number) {
  const double size = std::fabs(number);
  if (size >= 100.0) return fmt::format("{:.0f}", number);
  if (size >= 10.0) return fmt::format("{:.1f}", number);
  return size >= 1.0 ? fmt::format("{:.2f}", number) : fmt::format("{:.3g}", number);
}

std::string text_report(const Report& report, const TextOptions& options) {
  std::string text;
  const Out out = std::back_inserter(text);
  if (report.measurement.interrupted_by != 0) {
    fmt::format_to(out, "interrupted: these are partial results\n\n");
  }
  print_table(report, options, out);
  print_counts(report, out);
  print_rounds(report, out);
  print_failures(report, out);
  if (options.gates) print_gates(report, out);
  return text;
}

}  // namespace hakmem::bench
