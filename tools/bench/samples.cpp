#include "samples.h"

#include <fmt/format.h>

#include <algorithm>

namespace hakmem::bench {
namespace {

// A figure may be 0 (nothing was given back). Medians and signs only see the order, so a ratio
// beyond all reason may as well be a finite one.
constexpr double kRatioMax = 1000.0;

double advantage(const Row& row, const Run& ours, const Run& theirs) {
  const double good = row.higher_is_better ? ours.figure : theirs.figure;
  const double bad = row.higher_is_better ? theirs.figure : ours.figure;
  if (good <= 0.0 && bad <= 0.0) return 1.0;
  if (bad <= 0.0) return kRatioMax;
  return std::clamp(good / bad, 1.0 / kRatioMax, kRatioMax);
}

}  // namespace

std::vector<double> RowSamples::figures(std::size_t allocator) const {
  std::vector<double> result;
  for (const Run& run : runs[allocator]) {
    if (run.counts()) result.push_back(run.figure);
  }
  return result;
}

std::vector<double> RowSamples::peaks_mib(std::size_t allocator) const {
  std::vector<double> result;
  for (const Run& run : runs[allocator]) {
    if (run.counts() && run.peak_rss_mib) result.push_back(*run.peak_rss_mib);
  }
  return result;
}

std::vector<double> RowSamples::ratios(std::size_t allocator) const {
  std::vector<double> result;
  const std::vector<Run>& theirs = runs[allocator];
  auto other = theirs.begin();
  for (const Run& ours : runs[0]) {
    while (other != theirs.end() && other->round < ours.round) ++other;
    if (other == theirs.end()) break;
    if (other->round == ours.round && ours.counts() && other->counts()) {
      result.push_back(advantage(*row, ours, *other));
    }
  }
  return result;
}

std::vector<std::string> RowSamples::errors(std::size_t allocator) const {
  struct Kind {
    const Run* first;
    std::size_t count;
  };
  std::vector<Kind> kinds;
  for (const Run& run : runs[allocator]) {
    if (run.counts()) continue;
    const auto same = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) {
      return kind.first->error == run.error;
    });
    if (same == kinds.end()) {
      kinds.push_back({&run, 1});
    } else {
      ++same->count;
    }
  }
  std::vector<std::string> result;
  for (const Kind& kind : kinds) {
    const std::size_t round = kind.first->round;
    result.push_back(fmt::format(
        "{}: {}{}", round == 0 ? "warm-up" : fmt::format("round {}", round), kind.first->error,
        kind.count > 1 ? fmt::format(" ({} times)", kind.count) : ""));
  }
  return result;
}

bool RowSamples::failed(std::size_t allocator) const {
  return std::any_of(runs[allocator].begin(), runs[allocator].end(),
                     [](const Run& run) { return !run.counts() && !run.skipped; });
}

}  // namespace hakmem::bench
