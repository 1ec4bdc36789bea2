#include "scale_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "../live/text.h"

namespace hakmem::bench {
namespace {

using nlohmann::json;

constexpr int kFormatVersion = 1;

// 1 000 000 as "1 000 000".
std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, " ");
  return text;
}

std::string figure_text(double figure) {
  if (figure == 0) return "0";
  return figure < 9.995 ? fmt::format("{:.2f}", figure) : fmt::format("{:.0f}", figure);
}

std::string table_of(const ScaleReport& report, std::uint64_t live) {
  std::string text = fmt::format("\nlive {}\n{:>7}", grouped(live), "threads");
  for (const ScaleColumn& column : scale_columns()) {
    text += fmt::format("{:>12}", column.title);
    if (std::string(column.name) == "messages") text += fmt::format("{:>7}", "of");
  }
  text += "\n";
  for (const ScalePoint& point : report.points) {
    const ScaleCell& cell = point.cell;
    if (cell.live != live) continue;
    text += fmt::format("{:>7}", cell.threads);
    for (std::size_t i = 0; i < cell.figures.size(); ++i) {
      text += fmt::format("{:>12}", figure_text(cell.figures[i]));
      if (std::string(scale_columns()[i].name) != "messages") continue;
      text += cell.blocks_per_message ? fmt::format("{:>7.1f}", *cell.blocks_per_message)
                                      : fmt::format("{:>7}", "-");
    }
    text += "\n";
  }
  return text;
}

std::string point_text(const ScaleCell& cell, bool by_threads) {
  if (by_threads) return tools::counted(cell.threads, "thread");
  return fmt::format("{} live", grouped(cell.live));
}

std::string growth_text(const ColumnGrowth& growth) {
  const std::string of = point_text(growth.worst, !growth.by_threads);
  return fmt::format("  {:<12} {:>8} with {}, {} with {} ({})\n",
                     scale_columns()[growth.column].title, figure_text(growth.to()),
                     point_text(growth.worst, growth.by_threads), figure_text(growth.from()),
                     point_text(growth.base, growth.by_threads), of);
}

std::string judgement_of(const ScaleReport& report) {
  const std::vector<ColumnGrowth> growths = growths_of(report.cells());
  std::string text;
  for (const bool by_threads : {true, false}) {
    std::string lines;
    for (const ColumnGrowth& growth : growths) {
      if (growth.by_threads == by_threads) lines += growth_text(growth);
    }
    if (lines.empty()) continue;
    text += fmt::format("\nnot flat as {} grow, at worst\n{}",
                        by_threads ? "threads" : "live blocks", lines);
  }
  std::string flat;
  for (std::size_t i = 0; i < scale_columns().size(); ++i) {
    const bool grew = std::any_of(growths.begin(), growths.end(),
                                  [i](const ColumnGrowth& growth) { return growth.column == i; });
    if (!grew) flat += fmt::format("{}{}", flat.empty() ? "" : ", ", scale_columns()[i].title);
  }
  if (!report.points.empty()) {
    text += fmt::format("\nflat in both: {}\n", flat.empty() ? "none" : flat);
  }
  return text;
}

std::string sleeping_of(const ScaleReport& report) {
  if (report.sleeping.empty()) return {};
  std::string text = fmt::format(
      "\na sleeping thread that has touched 40 sizes keeps, beyond its blocks (at most {:.0f} "
      "KiB)\n",
      kSleepingKibMax);
  for (const Sleeping& sleeping : report.sleeping) {
    text += fmt::format("{:>7} threads: {:.0f} KiB each{}\n", sleeping.threads, sleeping.beyond_kib,
                        sleeping.beyond_kib > kSleepingKibMax ? ", too much" : "");
  }
  return text;
}

}  // namespace

std::vector<ScaleCell> ScaleReport::cells() const {
  std::vector<ScaleCell> all;
  for (const ScalePoint& point : points) all.push_back(point.cell);
  return all;
}

bool ScaleReport::grows() const {
  return !growths_of(cells()).empty() ||
         std::any_of(sleeping.begin(), sleeping.end(),
                     [](const Sleeping& one) { return one.beyond_kib > kSleepingKibMax; });
}

std::string scale_text(const ScaleReport& report) {
  const std::string by = report.options.partners == 0
                             ? "any other thread"
                             : fmt::format("one of {} other threads", report.options.partners);
  const std::string rounds =
      report.options.rounds == 1 ? "" : fmt::format(", median of {} rounds", report.options.rounds);
  std::string text = fmt::format(
      "per 1000 calls of malloc and free of {} to {} bytes{}; {} % of the frees by {}; {} cores\n",
      report.options.min_bytes, report.options.max_bytes, rounds, report.options.remote_percent, by,
      std::thread::hardware_concurrency());
  for (const std::uint64_t live : report.options.live) text += table_of(report, live);
  text += judgement_of(report) + sleeping_of(report);
  for (const std::string& error : report.errors) text += fmt::format("{}\n", error);
  return text;
}

json scale_json(const ScaleReport& report) {
  json document = {{"format", "hakmem bench scale"},
                   {"format_version", kFormatVersion},
                   {"hakmem_version", HAKMEM_VERSION},
                   {"command", report.command},
                   {"cores", std::thread::hardware_concurrency()},
                   {"settings",
                    {{"threads", report.options.threads},
                     {"live", report.options.live},
                     {"rounds", report.options.rounds},
                     {"steps", report.options.steps},
                     {"remote_percent", report.options.remote_percent},
                     {"partners", report.options.partners},
                     {"min_bytes", report.options.min_bytes},
                     {"max_bytes", report.options.max_bytes}}},
                   {"growth_factor", kGrowth},
                   {"errors", report.errors}};
  for (const char* list : {"columns", "points", "growths", "sleeping"}) {
    document[list] = json::array();
  }
  for (const ScaleColumn& column : scale_columns()) {
    document["columns"].push_back({{"name", column.name},
                                   {"counters", column.counters},
                                   {"floor", column.floor},
                                   {"of_remote_frees", column.of_remote_frees}});
  }
  for (const ScalePoint& point : report.points) {
    json figures = json::object();
    for (std::size_t i = 0; i < point.cell.figures.size(); ++i) {
      figures[scale_columns()[i].name] = point.cell.figures[i];
    }
    json one = {{"threads", point.cell.threads},
                {"live", point.cell.live},
                {"per_1000", std::move(figures)},
                {"blocks_per_message", nullptr},
                {"results", point.results}};
    if (point.cell.blocks_per_message) one["blocks_per_message"] = *point.cell.blocks_per_message;
    document["points"].push_back(std::move(one));
  }
  for (const ColumnGrowth& growth : growths_of(report.cells())) {
    document["growths"].push_back({{"column", scale_columns()[growth.column].name},
                                   {"by", growth.by_threads ? "threads" : "live"},
                                   {"threads", growth.worst.threads},
                                   {"live", growth.worst.live},
                                   {"from", growth.from()},
                                   {"to", growth.to()}});
  }
  for (const Sleeping& sleeping : report.sleeping) {
    document["sleeping"].push_back(
        {{"threads", sleeping.threads}, {"beyond_kib", sleeping.beyond_kib}});
  }
  return document;
}

}  // namespace hakmem::bench
