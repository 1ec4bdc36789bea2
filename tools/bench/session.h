// tools/bench/session.h: the order of runs, and when there are enough.
//
// Responsibility  Interleave rows and allocators in random order, round by round, until each row's
//                 intervals are narrow enough, or rounds, budget or patience are at an end.
// Contract        In a round each row is one turn: every allocator runs it once, in random order,
//                 right after one another, so that what disturbs the machine for longer than a turn
//                 hits all of them. A row ends by the width of its intervals, never by what they
//                 say. The order depends on the seed alone. An allocator that failed a row three
//                 times in a row is given up for that row. An interruption keeps what there is.
// Observable      The Measurement; the progress line.
// Composable      Needs a Launcher and an Interrupt. Judges nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <random>
#include <vector>

#include "progress.h"
#include "run.h"
#include "samples.h"

namespace hakmem::bench {

class Session {
 public:
  Session(const std::vector<const Row*>& rows, std::vector<Allocator> allocators,
          const Settings& settings, const Launcher& launcher, Progress* progress);

  Measurement measure();

 private:
  struct RowState {
    std::vector<std::size_t> failures;  // in a row, by allocator
    std::size_t turns = 0;              // warm-up included
    double seconds = 0.0;               // of all turns
    bool active = true;
  };

  // One row under each allocator; false when interrupted. Round 0 is warm-up: nothing is kept.
  bool turn(std::size_t row, std::size_t round);
  void keep(std::size_t row, std::size_t allocator, const Run& run);
  // Whether the row goes on, and if not, why it stops.
  void review(std::size_t row);
  [[nodiscard]] std::size_t rounds_left(std::size_t row) const;
  [[nodiscard]] double seconds_left(std::size_t round) const;
  [[nodiscard]] double elapsed() const;
  [[nodiscard]] bool is_over_budget() const;
  // False when a round may not be finished.
  bool do_round(std::size_t round);
  void stop_all(Stop why);
  std::vector<std::size_t> shuffled(std::size_t count);

  Measurement measurement_;
  std::vector<RowState> states_;
  const Launcher& launcher_;
  Progress* progress_;
  std::mt19937_64 random_;
  std::chrono::steady_clock::time_point start_;
  std::size_t rounds_min_;
  std::size_t position_ = 0;
};

// The highest `high / low - 1` over the row's intervals; nothing while one of them is missing.
std::optional<double> widest_interval(const RowSamples& samples, double confidence);

}  // namespace hakmem::bench
