#include "latency.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "failure.h"

namespace hakmem::tools {
namespace {

// A process answers when it passes a slow path; on a crowded machine a page may rest for seconds.
constexpr unsigned kAnswerMs = 5000;

std::string nanoseconds_text(std::uint64_t ns) {
  const auto value = static_cast<double>(ns);
  if (ns < 1000) return fmt::format("{} ns", ns);
  if (ns < 1'000'000) return fmt::format("{:.1f} us", value / 1e3);
  if (ns < 1'000'000'000) return fmt::format("{:.1f} ms", value / 1e6);
  return fmt::format("{:.1f} s", value / 1e9);
}

}  // namespace

std::uint64_t LatencyRow::count() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

bool LatencyFigures::any() const {
  return std::any_of(rows.begin(), rows.end(), [](const LatencyRow& row) { return row.count() != 0; });
}

std::uint64_t LatencyFigures::quantile_ns(const LatencyRow& row, double share) const {
  if (row.count() == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(row.count())));
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < row.counts.size(); ++i) {
    below += row.counts[i];
    if (below >= wanted) return of_watch ? std::min(below_ns[i], row.longest_ns) : below_ns[i];
  }
  return UINT64_MAX;
}

LatencyFigures read_latency(const StatsPage& page) {
  LatencyFigures figures;
  const Table& table = page.table("latency");
  for (std::size_t i = 0; i < table.rows; ++i) figures.below_ns.push_back(table.at(i, "below_ns"));
  for (const Column& column : table.columns) {
    if (column.name == "below_ns") continue;
    LatencyRow row{column.name, column.help, {}, page.table("latency_total").at(0, column.name),
                   page.table("latency_longest").at(0, column.name)};
    for (std::size_t i = 0; i < table.rows; ++i) row.counts.push_back(table.at(i, column.name));
    figures.rows.push_back(row);
  }
  return figures;
}

LatencyFigures since(LatencyFigures now, const LatencyFigures& before) {
  for (LatencyRow& row : now.rows) {
    for (const LatencyRow& old : before.rows) {
      if (old.cause != row.cause) continue;
      row.total_ns -= std::min(old.total_ns, row.total_ns);
      for (std::size_t i = 0; i < std::min(row.counts.size(), old.counts.size()); ++i) {
        row.counts[i] -= std::min(old.counts[i], row.counts[i]);
      }
    }
  }
  now.of_watch = true;
  return now;
}

LatencyFigures watch_latency(int pid, double seconds) {
  const auto milliseconds = static_cast<std::uint32_t>(seconds * 1000);
  const StatsPage first = ask_page(pid, Request::kLatency, kAnswerMs, milliseconds);
  if (first.table("latency").columns.empty()) {
    throw Failure(kExitUnsupported, "process {} has a library that does not time its slow paths; restart it with this one", pid);
  }
  if (!first.answered) {
    throw Failure(kExitFinding, "process {} has not passed a slow path for {} s: there is nothing to time", pid,
                  kAnswerMs / 1000);
  }
  poll(nullptr, 0, static_cast<int>(milliseconds));
  const StatsPage last = ask_page(pid, Request::kRefresh, kAnswerMs);
  LatencyFigures figures = since(read_latency(last), read_latency(first));
  figures.answered = last.answered;
  return figures;
}

std::string latency_text(const LatencyFigures& figures, double seconds) {
  const std::string late = figures.answered ? "" : "the process has not answered since: slow paths it passed after its figures"
                                                   " were written are not here\n";
  if (!figures.any()) return fmt::format("slow paths of {:g} s by cause: no slow path was passed\n", seconds) + late;
  std::string text = fmt::format("slow paths of {:g} s by cause; a time includes what it calls: a refill that of its acquire\n"
                                 "  cause           count         p50         p99     longest       total\n", seconds);
  for (const LatencyRow& row : figures.rows) {
    if (row.count() == 0) continue;
    text += fmt::format("  {:<10} {:>10} {:>11} {:>11} {:>11} {:>11}  {}\n", row.cause, row.count(),
                        nanoseconds_text(figures.quantile_ns(row, 0.5)), nanoseconds_text(figures.quantile_ns(row, 0.99)),
                        nanoseconds_text(row.longest_ns), nanoseconds_text(row.total_ns), row.help);
  }
  return text + "p50 and p99 are ends of buckets, of powers of two: the figure itself is above the half of it\n" + late;
}

}  // namespace hakmem::tools
