#include "session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "child.h"
#include "statistics.h"

namespace hakmem::bench {
namespace {

constexpr std::size_t kFailuresMax = 3;

}  // namespace

std::optional<double> widest_interval(const RowSamples& samples, double confidence) {
  std::optional<double> widest;
  for (std::size_t other = 1; other < samples.runs.size(); ++other) {
    const std::vector<double> ratios = samples.ratios(other);
    // An allocator that cannot run the row will never have an interval.
    if (ratios.empty()) continue;
    const std::optional<Interval> interval = median_interval(ratios, confidence);
    if (!interval) return std::nullopt;
    widest = std::max(widest.value_or(0.0), interval->high / interval->low - 1.0);
  }
  return widest;
}

Session::Session(const std::vector<const Row*>& rows, std::vector<Allocator> allocators,
                 const Settings& settings, const Launcher& launcher, Progress* progress)
    : launcher_(launcher),
      progress_(progress),
      random_(settings.seed),
      start_(std::chrono::steady_clock::now()),
      rounds_min_(sample_size_min(rows.size() * (allocators.size() - 1), settings.confidence)) {
  measurement_.settings = settings;
  for (const Row* row : rows) {
    RowSamples& samples = measurement_.rows.emplace_back();
    samples.row = row;
    samples.runs.resize(allocators.size());
    states_.emplace_back().failures.resize(allocators.size());
  }
  measurement_.allocators = std::move(allocators);
}

double Session::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

bool Session::is_over_budget() const { return elapsed() >= measurement_.settings.budget_s; }

// Fisher and Yates. Not std::shuffle, whose order depends on the standard library: a seed would
// then not reproduce a session.
std::vector<std::size_t> Session::shuffled(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random_() % i]);
  return order;
}

void Session::keep(std::size_t row, std::size_t allocator, const Run& run) {
  std::size_t& failures = states_[row].failures[allocator];
  failures = run.counts() ? 0 : failures + 1;
  if (run.skipped) failures = kFailuresMax;
  // A warm-up is kept when it shows that there is nothing to warm up.
  if (run.round > 0 || run.skipped) measurement_.rows[row].runs[allocator].push_back(run);
}

bool Session::turn(std::size_t row, std::size_t round) {
  RowState& state = states_[row];
  const RowSamples& samples = measurement_.rows[row];
  const double turn_start = elapsed();
  for (const std::size_t allocator : shuffled(measurement_.allocators.size())) {
    if (state.failures[allocator] >= kFailuresMax) continue;
    const Allocator& chosen = measurement_.allocators[allocator];
    progress_->show(round, fmt::format("{} under {}", samples.row->name, chosen.name), elapsed(),
                    seconds_left(round));
    Run run;
    run.round = round;
    run.position = ++position_;
    run.start_s = elapsed();
    if (!launcher_.run(*samples.row, chosen, &run)) {
      measurement_.interrupted_by = Interrupt::pending();
      return false;
    }
    run.took_s = elapsed() - run.start_s;
    keep(row, allocator, run);
  }
  ++state.turns;
  state.seconds += elapsed() - turn_start;
  return true;
}

std::size_t Session::rounds_left(std::size_t row) const {
  const Settings& settings = measurement_.settings;
  const RowSamples& samples = measurement_.rows[row];
  if (!states_[row].active) return 0;
  const bool fixed = settings.rounds != 0;
  const std::size_t most =
      std::min(fixed ? settings.rounds : settings.rounds_max,
               samples.row->rounds_max.value_or(settings.rounds_max + settings.rounds));
  const std::size_t left = most > samples.rounds ? most - samples.rounds : 0;
  if (fixed) return left;
  if (samples.rounds < rounds_min_) return std::min(left, rounds_min_ - samples.rounds);
  const std::optional<double> width = widest_interval(samples, settings.confidence);
  if (!width) return left;
  if (*width <= settings.precision) return 0;
  // An interval narrows with the root of the sample size.
  const double more =
      static_cast<double>(samples.rounds) * (std::pow(*width / settings.precision, 2) - 1.0);
  return more < static_cast<double>(left) ? std::max<std::size_t>(static_cast<std::size_t>(more), 1)
                                          : left;
}

double Session::seconds_left(std::size_t round) const {
  double seconds = 0.0;
  for (std::size_t row = 0; row < states_.size(); ++row) {
    const RowState& state = states_[row];
    if (state.turns == 0) return -1.0;
    std::size_t turns = rounds_left(row);
    if (round == 0) turns += measurement_.settings.warmup - state.turns;
    seconds += static_cast<double>(turns) * state.seconds / static_cast<double>(state.turns);
  }
  return std::min(seconds, std::max(measurement_.settings.budget_s - elapsed(), 0.0));
}

void Session::review(std::size_t row) {
  RowState& state = states_[row];
  RowSamples& samples = measurement_.rows[row];
  const auto& failures = state.failures;
  const bool nobody_left = std::all_of(failures.begin() + 1, failures.end(),
                                       [](std::size_t count) { return count >= kFailuresMax; });
  if (failures[0] >= kFailuresMax || (nobody_left && failures.size() > 1)) {
    samples.stop = Stop::kGaveUp;
    state.active = false;
  } else if (rounds_left(row) == 0) {
    const std::optional<double> width = widest_interval(samples, measurement_.settings.confidence);
    const bool narrow = width && *width <= measurement_.settings.precision;
    samples.stop = measurement_.settings.rounds == 0 && narrow ? Stop::kPrecision : Stop::kRounds;
    state.active = false;
  }
}

void Session::stop_all(Stop why) {
  for (std::size_t row = 0; row < states_.size(); ++row) {
    if (states_[row].active) measurement_.rows[row].stop = why;
    states_[row].active = false;
  }
}

bool Session::do_round(std::size_t round) {
  for (const std::size_t row : shuffled(states_.size())) {
    if (!states_[row].active) continue;
    if (is_over_budget()) {
      stop_all(Stop::kBudget);
      return false;
    }
    if (!turn(row, round)) {
      stop_all(Stop::kInterrupted);
      return false;
    }
    if (round > 0) measurement_.rows[row].rounds = round;
    if (round > 0 || states_[row].failures[0] >= kFailuresMax) review(row);
  }
  return std::any_of(states_.begin(), states_.end(),
                     [](const RowState& state) { return state.active; });
}

Measurement Session::measure() {
  bool goes_on = true;
  for (std::size_t i = 0; i < measurement_.settings.warmup && goes_on; ++i) goes_on = do_round(0);
  for (std::size_t round = 1; goes_on; ++round) goes_on = do_round(round);
  progress_->clear();
  measurement_.seconds = elapsed();
  return std::move(measurement_);
}

}  // namespace hakmem::bench
