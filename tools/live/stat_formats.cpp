#include <fmt/format.h>

#include <algorithm>

#include "stat.h"

namespace hakmem::tools {
namespace {

using Json = nlohmann::ordered_json;

Json table_json(const Table& table, std::size_t row) {
  Json object;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    object[table.columns[i].name] = table.words[row * table.columns.size() + i];
  }
  return object;
}

Json events_json(const StatsPage& page) {
  const Table& events = page.table("events");
  std::vector<Json> list;
  for (std::size_t row = 0; row < events.rows; ++row) {
    if (events.at(row, "number") == 0) continue;
    Json event = table_json(events, row);
    const auto kind = page.events.find(events.at(row, "kind"));
    event["kind"] = kind == page.events.end() ? "unknown" : kind->second.name;
    event["unit"] = kind == page.events.end() ? "unknown" : kind->second.unit;
    event["help"] = kind == page.events.end() ? "unknown" : kind->second.help;
    list.push_back(event);
  }
  std::sort(list.begin(), list.end(), [](const Json& a, const Json& b) {
    return a["number"].get<std::uint64_t>() < b["number"].get<std::uint64_t>();
  });
  return list;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

class Metrics {
 public:
  explicit Metrics(std::string labels) : labels_(std::move(labels)) {}

  void family(const std::string& name, const char* type, const std::string& help) {
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <typename T>
  void sample(const std::string& name, T value, const std::string& more = {}) {
    text_ += fmt::format("{}{{{}{}}} {}\n", name, labels_, more.empty() ? "" : "," + more, value);
  }
  template <typename T>
  void one(const std::string& name, const char* type, const std::string& help, T value) {
    family(name, type, help);
    sample(name, value);
  }
  std::string text() const { return text_ + "# EOF\n"; }

 private:
  std::string labels_;
  std::string text_;
};

// "_bytes" and "_slots" stay where the name has them; counters end in "_total".
void add_totals(Metrics* metrics, const Table& totals) {
  for (const Column& column : totals.columns) {
    if (column.unit == "milliseconds" || column.unit == "microseconds") continue;
    const bool counter = column.kind == "counter";
    metrics->one("hakmem_" + column.name + (counter ? "_total" : ""), counter ? "counter" : "gauge", column.help,
                 totals.at(0, column.name));
  }
}

// Those whose figure is not among the totals already, under the same name.
void add_counters(Metrics* metrics, const StatsPage& page) {
  const Table& totals = page.table("totals");
  const Table& counters = page.table("counters");
  for (const Column& column : counters.columns) {
    if (totals.column(column.name)) continue;
    metrics->one("hakmem_" + column.name + "_total", "counter", column.help, counters.at(0, column.name));
  }
}

void add_classes(Metrics* metrics, const StatsPage& page) {
  const Table& table = page.table("classes");
  for (const Column& column : table.columns) {
    if (column.name == "block_bytes" || column.name == "slab_bytes") continue;
    const std::string name = "hakmem_class_" + column.name;
    metrics->family(name, "gauge", column.help);
    for (std::size_t row = 0; row < table.rows; ++row) {
      if (table.at(row, "slabs") == 0) continue;
      metrics->sample(name, table.at(row, column.name), fmt::format("block_bytes=\"{}\"", table.at(row, "block_bytes")));
    }
  }
}

// As the histogram of Prometheus is: each bucket has those below it.
void add_latency(Metrics* metrics, const LatencyFigures& figures) {
  if (!figures.any()) return;
  const std::string name = "hakmem_slow_path_seconds";
  metrics->family(name, "histogram", "how long slow paths took, by cause, while somebody asked");
  for (const LatencyRow& row : figures.rows) {
    const std::string cause = fmt::format("cause=\"{}\"", row.cause);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < row.counts.size(); ++i) {
      below += row.counts[i];
      const std::string bound = i + 1 == row.counts.size() ? "+Inf" : fmt::format("{:.9f}", static_cast<double>(figures.below_ns[i]) / 1e9);
      metrics->sample(name + "_bucket", below, fmt::format("{},le=\"{}\"", cause, bound));
    }
    metrics->sample(name + "_sum", static_cast<double>(row.total_ns) / 1e9, cause);
    metrics->sample(name + "_count", below, cause);
  }
}

Json latency_json(const Reading& reading) {
  const LatencyFigures& figures = reading.latency;
  Json out;
  out["seconds"] = reading.latency_s;
  if (figures.of_watch) out["answered"] = figures.answered;
  out["causes"] = Json::array();
  for (const LatencyRow& row : figures.rows) {
    Json one{{"cause", row.cause}, {"help", row.help}, {"count", row.count()}};
    for (const auto& [name, share] : {std::pair{"p50_ns", 0.5}, std::pair{"p99_ns", 0.99}}) {
      const std::uint64_t bound = figures.quantile_ns(row, share);
      one[name] = bound == UINT64_MAX ? Json() : Json(bound);  // the last bucket has no end
    }
    if (figures.of_watch) one["longest_ns"] = row.longest_ns;
    one["total_ns"] = row.total_ns;
    one["buckets"] = Json::array();
    for (std::size_t i = 0; i < row.counts.size(); ++i) {
      if (row.counts[i] != 0) one["buckets"].push_back(Json{{"below_ns", figures.below_ns[i]}, {"count", row.counts[i]}});
    }
    out["causes"].push_back(one);
  }
  return out;
}

}  // namespace

Json stat_json(const Reading& reading) {
  const StatsPage& page = reading.page;
  Json out;
  out["schema"] = "hakmem.stat/1";
  out["pid"] = reading.process.pid;
  out["name"] = reading.process.name;
  out["age_ms"] = page.age_ms;
  out["answered"] = page.answered;
  out["rss_bytes"] = reading.ledger.rss;
  out["huge_page_bytes"] = reading.ledger.huge_pages;
  for (const LedgerRow& row : reading.ledger.rows) {
    out["ledger"].push_back(Json{{"id", row.id}, {"label", row.label}, {"bytes", row.bytes}});
  }
  const Rounding rounding = rounding_of(page);
  out["rounding"] = Json{{"estimate_bytes", rounding.estimate}, {"at_most_bytes", rounding.at_most}};
  out["totals"] = table_json(page.table("totals"), 0);
  // None in the page of a library from before they were shown.
  out["counters"] = page.table("counters").columns.empty() ? Json::object() : table_json(page.table("counters"), 0);
  out["options"] = table_json(page.table("options"), 0);
  const Table& classes = page.table("classes");
  out["classes"] = Json::array();
  for (std::size_t row = 0; row < classes.rows; ++row) {
    if (classes.at(row, "slabs") != 0) out["classes"].push_back(table_json(classes, row));
  }
  if (reading.latency.any() || reading.latency.of_watch) out["latency"] = latency_json(reading);
  out["events"] = events_json(page);
  return out;
}

std::string stat_openmetrics(const Reading& reading) {
  const StatsPage& page = reading.page;
  Metrics metrics(fmt::format("pid=\"{}\",name=\"{}\"", reading.process.pid, escaped(reading.process.name)));
  metrics.one("hakmem_figures_age_seconds", "gauge", "how old the figures of the heap are",
              static_cast<double>(page.age_ms) / 1000);
  metrics.one("hakmem_resident_bytes", "gauge", "resident memory of the process", reading.ledger.rss);
  metrics.one("hakmem_huge_page_bytes", "gauge", "of the heap, in transparent huge pages", reading.ledger.huge_pages);
  metrics.family("hakmem_ledger_bytes", "gauge", "rows that sum to hakmem_resident_bytes");
  for (const LedgerRow& row : reading.ledger.rows) {
    metrics.sample("hakmem_ledger_bytes", row.bytes, fmt::format("row=\"{}\"", row.id));
  }
  const Rounding rounding = rounding_of(page);
  metrics.one("hakmem_rounding_estimate_bytes", "gauge", "of blocks in use, what sizes were rounded up by, if they are spread evenly",
              rounding.estimate);
  metrics.one("hakmem_rounding_max_bytes", "gauge", "what sizes of blocks in use were rounded up by at most", rounding.at_most);
  add_totals(&metrics, page.table("totals"));
  add_counters(&metrics, page);
  add_classes(&metrics, page);
  add_latency(&metrics, reading.latency);
  return metrics.text();
}

}  // namespace hakmem::tools
