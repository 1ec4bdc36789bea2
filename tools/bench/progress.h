// tools/bench/progress.h: what the user sees while it measures.
//
// Responsibility  One line that says where the measurement is and how long it still takes.
// Contract        On a terminal one line of stderr, drawn over and gone at the end; escape codes go
//                 nowhere else. Not on a terminal: a plain line at most every 30 s. Quiet: nothing.
// Observable      stderr only.
// Composable      Knows no measurement: it is told.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace hakmem::bench {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `left_s`: an estimate, below 0 when there is none yet.
  void show(std::size_t round, const std::string& what, double elapsed_s, double left_s);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool terminal_;
  bool quiet_;
  bool drawn_ = false;
  Clock::time_point next_line_;
};

// "45 s", "3 min 20 s", "1 h 05 min"
std::string duration_text(double seconds);

}  // namespace hakmem::bench
