// tools/bench/scale_report.h: what `hakmem bench scale` found, as text and as JSON.
//
// Responsibility  Everything both reports say, gathered once.
// Contract        Points that failed are missing from `cells` and named in `errors`.
// Observable      The JSON document's shape is what tests/cli/bench_scale_test.py reads.
// Composable      Pure functions of the measurement.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "scale_options.h"
#include "scale_table.h"

namespace hakmem::bench {

// Beyond its live blocks, once it has touched 40 sizes.
constexpr double kSleepingKibMax = 256;

struct Sleeping {
  unsigned threads = 0;
  double beyond_kib = 0;  // of each
};

struct ScalePoint {
  ScaleCell cell;
  std::vector<nlohmann::json> results;  // the program's, one a run
};

struct ScaleReport {
  ScaleOptions options;
  std::string command;
  std::vector<ScalePoint> points;
  std::vector<Sleeping> sleeping;
  std::vector<std::string> errors;

  [[nodiscard]] std::vector<ScaleCell> cells() const;
  // A column is not flat, or a sleeping thread keeps too much.
  [[nodiscard]] bool grows() const;
};

std::string scale_text(const ScaleReport& report);
nlohmann::json scale_json(const ScaleReport& report);

}  // namespace hakmem::bench
