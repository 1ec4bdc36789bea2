// tools/bench/samples.h: what was measured.
//
// Responsibility  Hold every run of every row, and pair those of one round.
// Contract        runs[a] belongs to the allocator of that index (0 is hakmem) and is in rising
//                 order of rounds. A run that does not count has an error and no figure.
//                 A ratio above 1 always means that hakmem is the better one: ours / theirs where
//                 higher is better, theirs / ours where lower is.
// Observable      Everything is public data.
// Composable      Filled by Session, read by the judge and the reports.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "allocators.h"
#include "suite.h"

namespace hakmem::bench {

struct Run {
  std::size_t round = 0;     // from 1
  std::size_t position = 0;  // in the order in which all runs of the session were made, from 1
  double start_s = 0.0;      // since the session's start
  double took_s = 0.0;       // of the whole process
  double figure = 0.0;       // in the row's unit
  std::optional<double> peak_rss_mib;
  std::string error;      // why the run does not count; empty when it does
  bool skipped = false;   // the row cannot be run here at all (exit status 77): no failure
  nlohmann::json result;  // the child's result line
  [[nodiscard]] bool counts() const { return error.empty(); }
};

enum class Stop { kRounds, kPrecision, kBudget, kInterrupted, kGaveUp };

struct RowSamples {
  const Row* row = nullptr;
  std::vector<std::vector<Run>> runs;
  std::size_t rounds = 0;
  Stop stop = Stop::kRounds;

  // Of the runs that count.
  [[nodiscard]] std::vector<double> figures(std::size_t allocator) const;
  [[nodiscard]] std::vector<double> peaks_mib(std::size_t allocator) const;
  // One for each round in which hakmem and the other allocator both ran.
  [[nodiscard]] std::vector<double> ratios(std::size_t allocator) const;
  // The first error of each kind, as "round 2: exit status 1", with how often it came.
  [[nodiscard]] std::vector<std::string> errors(std::size_t allocator) const;
  [[nodiscard]] bool failed(std::size_t allocator) const;
};

struct Settings {
  std::size_t rounds = 0;  // 0: until the intervals are narrow enough
  std::size_t rounds_max = 60;
  std::size_t warmup = 1;
  double precision = 0.04;  // an interval's high / low - 1
  double margin = 0.02;
  double confidence = 0.95;
  double budget_s = 20 * 60;
  double timeout_s = 120;
  unsigned long long seed = 42;
};

struct Measurement {
  Settings settings;
  std::vector<Allocator> allocators;
  std::vector<RowSamples> rows;
  double seconds = 0.0;
  int interrupted_by = 0;  // the signal's number
};

}  // namespace hakmem::bench
