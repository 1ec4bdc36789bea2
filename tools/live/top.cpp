// hakmem top: the figures of a process as they change.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <deque>

#include "commands.h"
#include "failure.h"
#include "stat.h"
#include "text.h"

namespace hakmem::tools {
namespace {

volatile std::sig_atomic_t g_stop = 0;

// The other screen, keys without Enter; both end with it, also by Ctrl-C.
class Screen {
 public:
  explicit Screen(bool live) : live_(live) {
    if (!live_) return;
    is_raw_ = tcgetattr(0, &before_) == 0;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    if (is_raw_) tcsetattr(0, TCSANOW, &raw);
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { g_stop = 1; });
    fmt::print("\033[?1049h\033[?25l");
  }
  ~Screen() {
    if (!live_) return;
    fmt::print("\033[?25h\033[?1049l");
    std::fflush(stdout);
    if (is_raw_) tcsetattr(0, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  int height() const {
    winsize size{};
    return live_ && ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row : 0;
  }

  // What fits, over what was there.
  void show(const std::string& text) const {
    if (!live_) {
      fmt::print("{}\n", text);
    } else {
      std::string cut_text;
      int lines = 0;
      for (std::size_t start = 0; start < text.size() && (height() == 0 || lines < height() - 1); ++lines) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        cut_text += text.substr(start, end - start) + "\033[K\n";
        start = end + 1;
      }
      fmt::print("\033[H{}\033[J", cut_text);
    }
    std::fflush(stdout);
  }

 private:
  bool live_;
  bool is_raw_ = false;
  termios before_{};
};

struct Options {
  int pid = 0;
  double interval_s = 1;
  std::uint64_t count = 0;
  bool json = false;
};

// "12 refills"; "- refills" where no figures came in between.
std::string rate_text(const StatsPage& now, const StatsPage& before, const char* name, const char* one, const char* many) {
  const std::uint64_t ms = now.total("written_ms") - before.total("written_ms");
  if (ms == 0) return fmt::format("- {}", many);
  const std::uint64_t delta = now.total(name) - std::min(before.total(name), now.total(name));
  return counted(static_cast<std::uint64_t>(std::lround(static_cast<double>(delta) * 1000 / static_cast<double>(ms))), one, many);
}

std::string sparkline(const std::deque<std::uint64_t>& values) {
  constexpr const char* kLevels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::uint64_t most = *std::max_element(values.begin(), values.end());
  std::string text;
  for (const std::uint64_t value : values) text += kLevels[most == 0 ? 0 : value * 7 / most];
  return text;
}

std::string rates(const StatsPage& now, const StatsPage& before) {
  const auto rate = [&](const char* name, const char* one, const char* many) { return rate_text(now, before, name, one, many); };
  return fmt::format("a second: {}, {}, {} sent, {} acquired, {} released, {} purged\n", rate("refills", "refill", "refills"),
                     rate("flushes", "flush", "flushes"), rate("messages_sent", "message", "messages"),
                     rate("pool_acquires", "slab", "slabs"), rate("pool_releases", "slab", "slabs"),
                     rate("purged_slots", "slot", "slots"));
}

// True when somebody pressed q.
bool wait_for_key(double seconds, bool live) {
  pollfd keys{live ? 0 : -1, POLLIN, 0};
  if (poll(&keys, 1, static_cast<int>(seconds * 1000)) <= 0) return false;
  char key = 0;
  return read(0, &key, 1) <= 0 || key == 'q';
}

// `every_s`: 0 where there is no screen.
std::string look_text(const Reading& reading, const StatsPage& before, const std::deque<std::uint64_t>& history, double every_s) {
  std::string text = stat_text(reading);
  const std::size_t first_line = text.find('\n') + 1;
  text.insert(first_line, "resident " + sparkline(history) + "\n" + rates(reading.page, before));
  if (every_s > 0) text.insert(0, fmt::format("hakmem top, every {} s, q ends\n", every_s));
  return text;
}

int top(const Options& options) {
  const bool live = !options.json && isatty(1) != 0 && isatty(0) != 0;
  Reading reading = take_reading(options.pid);  // its failure belongs on the ordinary screen
  StatsPage before = reading.page;
  std::deque<std::uint64_t> history;
  {
    const Screen screen(live);
    for (std::uint64_t turn = 1; g_stop == 0; ++turn) {
      history.push_back(reading.ledger.rss);
      if (history.size() > 40) history.pop_front();
      screen.show(options.json ? stat_json(reading).dump() : look_text(reading, before, history, live ? options.interval_s : 0));
      if (turn == options.count || wait_for_key(options.interval_s, live)) return kExitFine;
      before = reading.page;
      try {
        reading = take_reading(options.pid);
      } catch (const Failure& failure) {
        if (failure.code() != kExitTargetMissing) throw;
        break;
      }
    }
  }
  if (g_stop == 0) fmt::print(stderr, "hakmem: process {} has ended\n", options.pid);
  return kExitFine;
}

}  // namespace

void declare_top(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("top", "The figures of a process as they change");
  const auto options = std::make_shared<Options>();
  command->add_option("PID", options->pid, "the process")->required()->check(CLI::PositiveNumber);
  command->add_option("-i,--interval", options->interval_s, "seconds between two looks (1)")->check(CLI::Range(0.1, 3600.0));
  command->add_option("-n,--count", options->count, "how many looks; until q or the end of the process otherwise");
  command->add_flag("--json", options->json, "a line of JSON a look, schema hakmem.stat/1");
  command->footer("On a terminal a screen that changes, q ends it; otherwise one text after another.");
  command->callback([options, action] { *action = [options] { return top(*options); }; });
}

}  // namespace hakmem::tools
