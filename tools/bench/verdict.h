// tools/bench/verdict.h: what the samples say.
//
// Responsibility  Compare hakmem with each allocator in each row, in one of four words; judge the
//                 rows' gates.
// Contract        equivalent    the median ratio lies within the margin: shown by two one-sided
//                               sign tests, corrected for the number of comparisons
//                 faster, slower  else: it is not 1, shown by the sign test, corrected likewise
//                 inconclusive  else: the runs do not tell. Never means "the same".
//                 "Faster" is "better" in rows where less is better. Both families of tests are
//                 corrected by Holm's method, so that with 95 % confidence not one faster or slower
//                 of the whole report is wrong, and likewise not one equivalent.
// Observable      Each comparison with its numbers.
// Composable      Reads a Measurement; measures nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "samples.h"
#include "statistics.h"

namespace hakmem::bench {

enum class Verdict { kSlower, kInconclusive, kEquivalent, kFaster };  // losses first
const char* word(Verdict verdict);

struct Comparison {
  std::size_t row = 0;    // index in the measurement
  std::size_t other = 0;  // index of the allocator
  std::vector<double> ratios;
  double ratio = 0.0;  // the median; above 1: hakmem is better
  std::optional<Interval> interval;
  double p = 1.0;
  double p_adjusted = 1.0;
  double p_equivalent = 1.0;
  double p_equivalent_adjusted = 1.0;
  Verdict verdict = Verdict::kInconclusive;
};

// One for each row and other allocator that have a ratio. Losses first, the largest first of all;
// then what is open, equivalent, won, each by rising ratio.
std::vector<Comparison> compare_all(const Measurement& measurement);

enum class GateVerdict { kPass, kFail, kNotJudged };
struct GateResult {
  std::string name;
  std::string title;
  GateVerdict verdict = GateVerdict::kNotJudged;
  std::string reason;
};
const char* word(GateVerdict verdict);

// One for each row with a gate, in the suite's order. Gates look at medians alone: they say what a
// release must reach, not how sure we are.
std::vector<GateResult> judge_gates(const Measurement& measurement);

}  // namespace hakmem::bench
