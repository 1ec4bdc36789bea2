// tools/bench/report.h: one result, told three ways.
//
// Responsibility  Everything the reports say, gathered once; the terminal table, the JSON document
//                 and the HTML page are made of it.
// Contract        Losses come first in all three. The page is one file without references: the JSON
//                 document is inside it, and a script draws from that.
// Observable      The JSON document's shape is what tests/cli/bench_compare_test.py reads.
// Composable      Pure functions: nothing is measured or written to a file here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "machine.h"
#include "samples.h"
#include "verdict.h"

namespace hakmem::bench {

struct Report {
  Measurement measurement;
  std::vector<Comparison> comparisons;
  std::vector<GateResult> gates;
  Facts machine;
  std::string load_before;
  std::string load_after;
  std::string started;  // ISO 8601, UTC
  std::string command;  // as it was typed, quoted for a shell
  std::vector<std::string> missing;
  nlohmann::json loss_profiles = nlohmann::json::array();  // of loss_profile.h
};

struct TextOptions {
  bool all = false;  // every comparison, not just losses and the hardest of each row
  bool gates = false;
  bool colour = false;
};

std::string text_report(const Report& report, const TextOptions& options);
nlohmann::json json_report(const Report& report);
// `text`: the table, for readers whose browser runs no scripts.
std::string html_report(const nlohmann::json& document, const std::string& text);

// Before so many rounds no verdict but inconclusive is possible, with as many comparisons.
std::size_t rounds_for_a_verdict(const Report& report);

const char* word(Stop stop);
// Three significant digits or so: what a figure is good for.
std::string number_text(double number);

}  // namespace hakmem::bench
