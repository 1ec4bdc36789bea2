// tools/bench/scale_table.h: what grows with threads and live blocks, and what does not.
//
// Responsibility  Turn the counters of `bench/scale` into columns per thousand operations, and say
//                 which columns are not flat.
// Contract        A column grew when a figure is above kGrowth times its base and above the base by
//                 more than the column's floor, below which the difference costs nothing that can be
//                 measured. The base is the figure with the fewest threads (of several, where only
//                 other threads' frees make the column) and the same live blocks, or with the fewest
//                 live blocks and as many threads.
// Observable      growths_of(): the worst growth of each column in each direction.
// Composable      Pure functions of the counters by name; knows no processes and no terminal.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hakmem::bench {

constexpr double kGrowth = 1.5;

struct ScaleColumn {
  const char* name;                   // in the JSON document
  const char* title;                  // over the table
  std::vector<const char*> counters;  // whose sum it is
  double floor;
  bool of_remote_frees;  // one thread alone has nobody to free for
};

// In the order of the table.
const std::vector<ScaleColumn>& scale_columns();

using CounterGrowth = std::map<std::string, std::uint64_t>;

// One point of the table, with a figure for each column.
struct ScaleCell {
  unsigned threads = 0;
  std::uint64_t live = 0;
  std::vector<double> figures;  // per thousand operations
  std::optional<double> blocks_per_message;
};

// Each figure of the result is the median over the runs. Throws Error when a counter is missing.
ScaleCell make_cell(unsigned threads, std::uint64_t live, std::uint64_t ops,
                    const std::vector<CounterGrowth>& runs);

struct ColumnGrowth {
  std::size_t column = 0;
  bool by_threads = true;  // else by live blocks
  ScaleCell base;
  ScaleCell worst;

  [[nodiscard]] double from() const { return base.figures[column]; }
  [[nodiscard]] double to() const { return worst.figures[column]; }
};

std::vector<ColumnGrowth> growths_of(const std::vector<ScaleCell>& cells);

}  // namespace hakmem::bench
