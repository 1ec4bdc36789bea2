#include "progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace hakmem::bench {
namespace {

constexpr std::chrono::seconds kLineInterval{30};
constexpr std::size_t kBarCells = 20;

std::size_t columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(double share) {
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kBarCells));
  return fmt::format("[{}{}] {:2.0f} %", std::string(filled, '#'),
                     std::string(kBarCells - filled, '.'), share * 100.0);
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(std::max(seconds, 0.0) + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) {
    return whole % 60 == 0 ? fmt::format("{} min", whole / 60)
                           : fmt::format("{} min {} s", whole / 60, whole % 60);
  }
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

Progress::Progress(bool quiet)
    : terminal_(isatty(STDERR_FILENO) != 0),
      quiet_(quiet),
      next_line_(Clock::now() + kLineInterval) {}

void Progress::show(std::size_t round, const std::string& what, double elapsed_s, double left_s) {
  if (quiet_) return;
  if (!terminal_ && Clock::now() < next_line_) return;
  const double share = left_s < 0 ? 0.0 : std::min(elapsed_s / (elapsed_s + left_s + 1e-9), 0.99);
  const std::string left = left_s < 0 ? "measuring how long it takes"
                                      : fmt::format("about {} left", duration_text(left_s));
  const std::string where = round == 0 ? "warm-up" : fmt::format("round {}", round);
  std::string line = fmt::format("{}  {}  {}  {}", bar(share), left, where, what);
  if (terminal_) {
    line.resize(std::min(line.size(), columns() - 1));  // a line that wraps cannot be drawn over
    fmt::print(stderr, "\r{}\033[K", line);
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
    next_line_ = Clock::now() + kLineInterval;
  }
  std::fflush(stderr);
}

void Progress::clear() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace hakmem::bench
