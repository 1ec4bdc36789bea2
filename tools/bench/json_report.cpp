#include "progress.h"
#include "report.h"

namespace hakmem::bench {
namespace {

using nlohmann::json;

// Counted up when a reader of older documents would misread a newer one.
constexpr int kFormatVersion = 1;

json summary(const std::vector<double>& values) {
  if (values.empty()) return nullptr;
  return {{"count", values.size()},       {"min", quantile(values, 0.0)},
          {"q1", quantile(values, 0.25)}, {"median", median(values)},
          {"q3", quantile(values, 0.75)}, {"max", quantile(values, 1.0)}};
}

json settings_of(const Settings& settings) {
  json result = {{"rounds_max", settings.rounds_max}, {"warmup", settings.warmup},
                 {"precision", settings.precision},   {"margin", settings.margin},
                 {"confidence", settings.confidence}, {"budget_s", settings.budget_s},
                 {"timeout_s", settings.timeout_s},   {"seed", settings.seed}};
  result["rounds"] = settings.rounds == 0 ? json(nullptr) : json(settings.rounds);
  return result;
}

json allocators_of(const Measurement& measurement) {
  json list = json::array();
  for (const Allocator& allocator : measurement.allocators) {
    json one = {{"name", allocator.name}};
    one["path"] = allocator.path.empty() ? json(nullptr) : json(allocator.path.native());
    one["build_id"] = allocator.build_id.empty() ? json(nullptr) : json(allocator.build_id);
    list.push_back(std::move(one));
  }
  return list;
}

json run_of(const Run& run, const std::string& allocator) {
  json one = {{"round", run.round},
              {"position", run.position},
              {"allocator", allocator},
              {"start_s", run.start_s},
              {"took_s", run.took_s}};
  one["figure"] = run.counts() ? json(run.figure) : json(nullptr);
  one["peak_rss_mib"] = run.counts() && run.peak_rss_mib ? json(*run.peak_rss_mib) : json(nullptr);
  if (!run.counts()) one["error"] = run.error;
  if (!run.result.is_null()) one["result"] = run.result;
  return one;
}

json row_of(const Measurement& measurement, const RowSamples& samples) {
  json row = samples.row->definition;
  row["scale"] = samples.row->scale;
  json by_name = json::object();
  json runs = json::array();
  for (std::size_t i = 0; i < measurement.allocators.size(); ++i) {
    const std::string& name = measurement.allocators[i].name;
    by_name[name] = {{"figure", summary(samples.figures(i))},
                     {"peak_rss_mib", summary(samples.peaks_mib(i))},
                     {"errors", samples.errors(i)},
                     {"failed", samples.failed(i)}};
    for (const Run& run : samples.runs[i]) runs.push_back(run_of(run, name));
  }
  return {{"row", std::move(row)},
          {"rounds", samples.rounds},
          {"stopped_by", word(samples.stop)},
          {"allocators", std::move(by_name)},
          {"runs", std::move(runs)}};
}

json comparison_of(const Measurement& measurement, const Comparison& comparison) {
  json one = {{"row", measurement.rows[comparison.row].row->name},
              {"against", measurement.allocators[comparison.other].name},
              {"verdict", word(comparison.verdict)},
              {"ratio", comparison.ratio},
              {"pairs", comparison.ratios.size()},
              {"ratios", comparison.ratios},
              {"p", comparison.p},
              {"p_adjusted", comparison.p_adjusted},
              {"p_equivalent", comparison.p_equivalent},
              {"p_equivalent_adjusted", comparison.p_equivalent_adjusted},
              {"interval", nullptr}};
  if (comparison.interval) {
    one["interval"] = {{"low", comparison.interval->low},
                       {"high", comparison.interval->high},
                       {"coverage", comparison.interval->coverage}};
  }
  return one;
}

json counts_of(const std::vector<Comparison>& comparisons) {
  json counts = {{"slower", 0}, {"inconclusive", 0}, {"equivalent", 0}, {"faster", 0}};
  for (const Comparison& comparison : comparisons) {
    json& count = counts[word(comparison.verdict)];
    count = count.get<int>() + 1;
  }
  return counts;
}

}  // namespace

json json_report(const Report& report) {
  const Measurement& measurement = report.measurement;
  json document = {{"format", "hakmem bench compare"},
                   {"format_version", kFormatVersion},
                   {"hakmem_version", HAKMEM_VERSION},
                   {"command", report.command},
                   {"started", report.started},
                   {"seconds", measurement.seconds},
                   {"interrupted", measurement.interrupted_by != 0},
                   {"settings", settings_of(measurement.settings)},
                   {"rounds_for_a_verdict", rounds_for_a_verdict(report)},
                   {"allocators", allocators_of(measurement)},
                   {"missing", report.missing},
                   {"counts", counts_of(report.comparisons)},
                   {"load", {{"before", report.load_before}, {"after", report.load_after}}}};
  // As a list: a reader is to see the facts in our order.
  for (const auto& fact : report.machine) {
    document["machine"].push_back({{"name", fact.first}, {"value", fact.second}});
  }
  document["comparisons"] = json::array();
  for (const Comparison& comparison : report.comparisons) {
    document["comparisons"].push_back(comparison_of(measurement, comparison));
  }
  document["rows"] = json::array();
  for (const RowSamples& samples : measurement.rows) {
    document["rows"].push_back(row_of(measurement, samples));
  }
  document["gates"] = json::array();
  for (const GateResult& gate : report.gates) {
    document["gates"].push_back({{"name", gate.name},
                                 {"title", gate.title},
                                 {"verdict", word(gate.verdict)},
                                 {"reason", gate.reason}});
  }
  document["loss_profiles"] = report.loss_profiles;
  return document;
}

}  // namespace hakmem::bench
