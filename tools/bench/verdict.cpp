#include "verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace hakmem::bench {
namespace {

Comparison compare_pair(const Measurement& measurement, std::size_t row, std::size_t other) {
  const Settings& settings = measurement.settings;
  Comparison result;
  result.row = row;
  result.other = other;
  result.ratios = measurement.rows[row].ratios(other);
  if (result.ratios.empty()) return result;
  result.ratio = median(result.ratios);
  result.interval = median_interval(result.ratios, settings.confidence);
  result.p = sign_test(result.ratios, 1.0, Alternative::kDiffers);
  // Two one-sided tests (Schuirmann 1987): not below the margin, and not above it.
  const double margin = 1.0 + settings.margin;
  result.p_equivalent = std::max(sign_test(result.ratios, 1.0 / margin, Alternative::kGreater),
                                 sign_test(result.ratios, margin, Alternative::kLess));
  return result;
}

Verdict verdict_of(const Comparison& comparison, const Settings& settings) {
  const double alpha = 1.0 - settings.confidence;
  if (comparison.p_equivalent_adjusted <= alpha) return Verdict::kEquivalent;
  if (comparison.p_adjusted > alpha || comparison.ratio == 1.0) return Verdict::kInconclusive;
  return comparison.ratio > 1.0 ? Verdict::kFaster : Verdict::kSlower;
}

void correct(std::vector<Comparison>& comparisons) {
  std::vector<double> differs;
  std::vector<double> equivalent;
  for (const Comparison& comparison : comparisons) {
    differs.push_back(comparison.p);
    equivalent.push_back(comparison.p_equivalent);
  }
  differs = holm(differs);
  equivalent = holm(equivalent);
  for (std::size_t i = 0; i < comparisons.size(); ++i) {
    comparisons[i].p_adjusted = differs[i];
    comparisons[i].p_equivalent_adjusted = equivalent[i];
  }
}

bool reaches(const Gate& gate, double figure) {
  return gate.kind == Gate::Kind::kAtMost ? figure <= gate.bound : figure >= gate.bound;
}

// Faster than each of the allocators it names, by the median ratio.
void judge_faster(const Measurement& measurement, const RowSamples& samples, GateResult* result) {
  const std::vector<std::string>& than = samples.row->gate->than;
  std::vector<std::string> reasons;
  std::vector<std::string> absent = than;
  bool passed = true;
  for (std::size_t other = 1; other < measurement.allocators.size(); ++other) {
    const std::string& name = measurement.allocators[other].name;
    if (!than.empty() && std::find(than.begin(), than.end(), name) == than.end()) continue;
    const std::vector<double> ratios = samples.ratios(other);
    if (ratios.empty()) {
      if (than.empty()) absent.push_back(name);
      continue;
    }
    absent.erase(std::remove(absent.begin(), absent.end(), name), absent.end());
    passed &= median(ratios) > 1.0;
    reasons.push_back(fmt::format("{:.3f} x {}", median(ratios), name));
  }
  if (reasons.empty()) {
    result->reason = "nothing to compare with was measured";
    return;
  }
  result->verdict = passed ? GateVerdict::kPass : GateVerdict::kFail;
  result->reason = fmt::format("hakmem is {}, must be above 1 each", fmt::join(reasons, ", "));
  if (!absent.empty()) {
    result->reason += fmt::format("; not compared: {}", fmt::join(absent, ", "));
  }
}

}  // namespace

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSlower:
      return "slower";
    case Verdict::kEquivalent:
      return "equivalent";
    case Verdict::kFaster:
      return "faster";
    case Verdict::kInconclusive:
      break;
  }
  return "inconclusive";
}

const char* word(GateVerdict verdict) {
  switch (verdict) {
    case GateVerdict::kPass:
      return "PASS";
    case GateVerdict::kFail:
      return "FAIL";
    case GateVerdict::kNotJudged:
      break;
  }
  return "not judged";
}

std::vector<Comparison> compare_all(const Measurement& measurement) {
  std::vector<Comparison> comparisons;
  for (std::size_t row = 0; row < measurement.rows.size(); ++row) {
    for (std::size_t other = 1; other < measurement.allocators.size(); ++other) {
      Comparison comparison = compare_pair(measurement, row, other);
      if (!comparison.ratios.empty()) comparisons.push_back(std::move(comparison));
    }
  }
  correct(comparisons);
  for (Comparison& comparison : comparisons) {
    comparison.verdict = verdict_of(comparison, measurement.settings);
  }
  std::stable_sort(comparisons.begin(), comparisons.end(),
                   [](const Comparison& a, const Comparison& b) {
                     return std::tie(a.verdict, a.ratio) < std::tie(b.verdict, b.ratio);
                   });
  return comparisons;
}

std::vector<GateResult> judge_gates(const Measurement& measurement) {
  std::vector<GateResult> results;
  for (const RowSamples& samples : measurement.rows) {
    if (!samples.row->gate) continue;
    const Gate& gate = *samples.row->gate;
    GateResult& result = results.emplace_back();
    result.name = samples.row->name;
    result.title = samples.row->title;
    const std::vector<double> figures = samples.figures(0);
    if (samples.failed(0)) {
      result.verdict = GateVerdict::kFail;
      result.reason = "hakmem: " + samples.errors(0).front();
    } else if (figures.empty()) {
      result.reason = "hakmem was not measured";
    } else if (gate.kind == Gate::Kind::kFaster) {
      judge_faster(measurement, samples, &result);
    } else {
      const double figure = median(figures);
      result.verdict = reaches(gate, figure) ? GateVerdict::kPass : GateVerdict::kFail;
      result.reason = fmt::format("{:.2f} {}, must be {} {:g} {}", figure, samples.row->unit,
                                  gate.kind == Gate::Kind::kAtMost ? "at most" : "at least",
                                  gate.bound, samples.row->unit);
    }
  }
  return results;
}

}  // namespace hakmem::bench
