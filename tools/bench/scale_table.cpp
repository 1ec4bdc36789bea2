#include "scale_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "error.h"
#include "statistics.h"

namespace hakmem::bench {
namespace {

std::uint64_t value_of(const CounterGrowth& counters, const char* name) {
  const auto found = counters.find(name);
  if (found == counters.end()) {
    throw Error(tools::kExitUnsupported,
                fmt::format("this libhakmem.so has no counter \"{}\"", name));
  }
  return found->second;
}

bool grew(const ScaleColumn& column, double from, double to) {
  return to > from * kGrowth && to > from + column.floor;
}

// The cell that `cell` is compared with in this direction, or nullptr.
const ScaleCell* base_of(const std::vector<ScaleCell>& cells, const ScaleCell& cell,
                         const ScaleColumn& column, bool by_threads) {
  const ScaleCell* base = nullptr;
  for (const ScaleCell& other : cells) {
    if (by_threads ? other.live != cell.live : other.threads != cell.threads) continue;
    if (by_threads && column.of_remote_frees && other.threads == 1) continue;
    const bool is_less =
        base == nullptr || (by_threads ? other.threads < base->threads : other.live < base->live);
    if (is_less) base = &other;
  }
  const bool is_above =
      base != nullptr && (by_threads ? cell.threads > base->threads : cell.live > base->live);
  return is_above ? base : nullptr;
}

}  // namespace

// Floors: a thousand operations take about 10 µs. What costs as much as each of these on a machine where
// nobody else wants the line is a few percent of that at most; and a short run has some of each in
// which its stacks still grow.
const std::vector<ScaleColumn>& scale_columns() {
  static const std::vector<ScaleColumn> columns = {
      {"slow_paths", "slow paths", {"slow_paths"}, 10, false},
      {"refills_and_flushes", "refills", {"refills", "flushes"}, 4, false},
      {"ticks", "ticks", {"ticks"}, 0.1, false},
      {"locks", "locks", {"locks_acquired"}, 4, true},
      {"process_wide_locks",
       "shared",
       {"lock_list_acquired", "lock_holes_acquired", "lock_huge_acquired", "lock_purge_acquired", "lock_grow_acquired",
        "lock_pool_acquired", "lock_metadata_acquired"},
       2,
       true},
      {"contended", "contended", {"locks_contended", "locks_refused"}, 0.5, true},
      {"atomics", "atomics", {"atomics"}, 8, true},
      {"messages", "messages", {"messages_sent"}, 2, true},
      {"pool_visits", "pool visits", {"pool_visits"}, 0.5, false},
      {"system_calls", "sys. calls", {"system_calls"}, 0.1, false},
  };
  return columns;
}

ScaleCell make_cell(unsigned threads, std::uint64_t live, std::uint64_t ops,
                    const std::vector<CounterGrowth>& runs) {
  ScaleCell cell;
  cell.threads = threads;
  cell.live = live;
  for (const ScaleColumn& column : scale_columns()) {
    std::vector<double> figures;
    for (const CounterGrowth& counters : runs) {
      std::uint64_t sum = 0;
      for (const char* name : column.counters) sum += value_of(counters, name);
      figures.push_back(static_cast<double>(sum) * 1000.0 / static_cast<double>(ops));
    }
    cell.figures.push_back(median(figures));
  }
  std::vector<double> sizes;
  for (const CounterGrowth& counters : runs) {
    const std::uint64_t messages = value_of(counters, "messages_sent");
    const std::uint64_t blocks = value_of(counters, "blocks_sent");
    if (messages != 0) sizes.push_back(static_cast<double>(blocks) / static_cast<double>(messages));
  }
  if (!sizes.empty()) cell.blocks_per_message = median(sizes);
  return cell;
}

std::vector<ColumnGrowth> growths_of(const std::vector<ScaleCell>& cells) {
  std::vector<ColumnGrowth> growths;
  for (std::size_t i = 0; i < scale_columns().size(); ++i) {
    const ScaleColumn& column = scale_columns()[i];
    for (const bool by_threads : {true, false}) {
      std::optional<ColumnGrowth> worst;
      for (const ScaleCell& cell : cells) {
        const ScaleCell* base = base_of(cells, cell, column, by_threads);
        if (base == nullptr || !grew(column, base->figures[i], cell.figures[i])) continue;
        if (worst && cell.figures[i] <= worst->to()) continue;
        worst = ColumnGrowth{i, by_threads, *base, cell};
      }
      if (worst) growths.push_back(*worst);
    }
  }
  return growths;
}

}  // namespace hakmem::bench
