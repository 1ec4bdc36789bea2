#include "stat.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <csignal>
#include <poll.h>

#include "commands.h"
#include "failure.h"
#include "text.h"

namespace hakmem::tools {
namespace {

constexpr std::size_t kClassesShown = 10;
constexpr std::size_t kEventsShown = 5;

std::string age_text(const StatsPage& page) {
  if (page.age_ms < 2000) return fmt::format("{} ms old", page.age_ms);
  // Who passes no slow path writes no figures.
  return fmt::format("{} old: idle since, or its caches had all it asked for", duration_text(static_cast<double>(page.age_ms) / 1000));
}

std::string ledger_text(const Ledger& ledger) {
  std::string text = fmt::format("where {} of resident memory are\n", bytes_text(static_cast<std::int64_t>(ledger.rss)));
  const double rss = std::max(1.0, static_cast<double>(ledger.rss));
  for (const LedgerRow& row : ledger.rows) {
    if (row.bytes == 0 && row.id != "unexplained") continue;
    const double share = static_cast<double>(row.bytes) / rss;
    text += fmt::format("  {:<52} {:>11} {:>6.1f} %  {}\n", row.label, bytes_text(row.bytes), share * 100,
                        bar(share, 20));
  }
  if (ledger.huge_pages != 0) {
    text += fmt::format("{} of the heap are in huge pages\n", bytes_text(static_cast<std::int64_t>(ledger.huge_pages)));
  }
  return text;
}

std::string classes_text(const StatsPage& page) {
  const std::vector<ClassFigures> classes = classes_in_use(page);
  std::string text = fmt::format("{} of {} size classes in use; those with most memory that is not in use:\n",
                                 classes.size(), page.table("classes").rows);
  text += "      block    slabs     blocks in use          free    cached   not in use\n";
  for (std::size_t i = 0; i < std::min(classes.size(), kClassesShown); ++i) {
    const ClassFigures& c = classes[i];
    const double share = static_cast<double>(c.live()) / static_cast<double>(c.blocks);
    text += fmt::format("{:>11} {:>8} {:>10} {} {:>3.0f} % {:>9} {:>9} {:>12}\n", bytes_text(static_cast<std::int64_t>(c.block_bytes)),
                        c.slabs, c.live(), bar(share, 6), share * 100, c.free_blocks, c.cached_blocks,
                        bytes_text(static_cast<std::int64_t>(c.idle_bytes())));
  }
  return text;
}

std::string events_text(const StatsPage& page) {
  const Table& events = page.table("events");
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < events.rows; ++row) {
    if (events.at(row, "number") != 0) rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end(), [&events](std::size_t a, std::size_t b) {
    return events.at(a, "number") > events.at(b, "number");
  });
  if (rows.empty()) return {};
  std::string text = "events\n";
  const std::uint64_t now = page.total("written_ms") + page.age_ms;
  for (std::size_t i = 0; i < std::min(rows.size(), kEventsShown); ++i) {
    const std::size_t row = rows[i];
    const auto kind = page.events.find(events.at(row, "kind"));
    if (kind == page.events.end()) continue;
    const std::uint64_t amount = events.at(row, "amount");
    const std::string what = kind->second.unit == "bytes" ? bytes_text(static_cast<std::int64_t>(amount)) : std::to_string(amount);
    const std::uint64_t time = events.at(row, "time_ms");
    text += fmt::format("  {:>12} ago  {} {}: {}\n", duration_text(now > time ? static_cast<double>(now - time) / 1000 : 0),
                        kind->second.name, what, kind->second.help);
  }
  return text;
}

struct Options {
  int pid = 0;
  double interval_s = 0;
  std::uint64_t count = 0;
  double latency_s = 0;
  bool json = false;
  bool openmetrics = false;
};

void print_reading(const Options& options) {
  LatencyFigures latency;
  if (options.latency_s > 0) latency = watch_latency(options.pid, options.latency_s);
  Reading reading = take_reading(options.pid);
  // A histogram of Prometheus never shrinks: it has all since the process began.
  if (options.latency_s > 0 && !options.openmetrics) {
    reading.latency = std::move(latency);
    reading.latency_s = options.latency_s;
  }
  if (options.json) {
    fmt::print("{}\n", stat_json(reading).dump(options.interval_s > 0 ? -1 : 2));
  } else if (options.openmetrics) {
    fmt::print("{}", stat_openmetrics(reading));
  } else {
    fmt::print("{}", stat_text(reading));
  }
  std::fflush(stdout);
}

int stat(const Options& options) {
  for (std::uint64_t turn = 1;; ++turn) {
    try {
      print_reading(options);
    } catch (const Failure& failure) {
      // It was there before: its end is the end of the watching.
      if (turn == 1 || failure.code() != kExitTargetMissing) throw;
      fmt::print(stderr, "hakmem: process {} has ended\n", options.pid);
      return kExitFine;
    }
    if (options.interval_s <= 0 || turn == options.count) return kExitFine;
    if (!options.json && !options.openmetrics) fmt::print("\n");
    poll(nullptr, 0, static_cast<int>(options.interval_s * 1000));
  }
}

}  // namespace

Reading take_reading(int pid, unsigned wait_ms) {
  Reading reading;
  reading.page = ask_page(pid, Request::kRefresh, wait_ms);
  reading.ledger = make_ledger(reading.page, pid);
  reading.process = read_process(pid);
  reading.latency = read_latency(reading.page);
  return reading;
}

std::vector<ClassFigures> classes_in_use(const StatsPage& page) {
  const Table& table = page.table("classes");
  std::vector<ClassFigures> classes;
  for (std::size_t row = 0; row < table.rows; ++row) {
    ClassFigures c;
    c.block_bytes = table.at(row, "block_bytes");
    c.slabs = table.at(row, "slabs");
    c.blocks = table.at(row, "blocks");
    c.free_blocks = std::min(table.at(row, "free_blocks"), c.blocks);
    c.cached_blocks = std::min(table.at(row, "cached_blocks"), c.blocks - c.free_blocks);
    if (c.blocks != 0) classes.push_back(c);
  }
  std::stable_sort(classes.begin(), classes.end(), [](const ClassFigures& a, const ClassFigures& b) {
    return a.idle_bytes() > b.idle_bytes();
  });
  return classes;
}

Rounding rounding_of(const StatsPage& page) {
  std::vector<ClassFigures> classes = classes_in_use(page);
  const Table& table = page.table("classes");
  std::vector<std::uint64_t> sizes;
  for (std::size_t row = 0; row < table.rows; ++row) sizes.push_back(table.at(row, "block_bytes"));
  std::sort(sizes.begin(), sizes.end());
  Rounding sum;
  for (const ClassFigures& c : classes) {
    const auto here = std::lower_bound(sizes.begin(), sizes.end(), c.block_bytes);
    const std::uint64_t below = here == sizes.begin() ? 0 : *(here - 1);
    const std::uint64_t most = c.block_bytes - below - 1;
    sum.at_most += c.live() * most;
    sum.estimate += c.live() * most / 2;
  }
  return sum;
}

std::string stat_text(const Reading& reading) {
  const StatsPage& page = reading.page;
  const ProcessInfo& process = reading.process;
  std::string text = fmt::format("{}[{}]  up {}  {}  figures {}\n", process.name, process.pid,
                                 duration_text(process.age_s), counted(process.threads, "thread"), age_text(page));
  text += ledger_text(reading.ledger);
  const Rounding rounding = rounding_of(page);
  text += fmt::format("of blocks up to 2 MiB in use, rounding is {} at most; an estimate: {}, if sizes are spread evenly\n",
                      bytes_text(static_cast<std::int64_t>(rounding.at_most)),
                      bytes_text(static_cast<std::int64_t>(rounding.estimate)));
  const std::uint64_t slots = page.total("unused_slots") + page.total("active_slots") + page.total("empty_slots");
  text += fmt::format("slots of 64 KiB: {} ACTIVE, {} EMPTY, {} UNUSED of {};  {} of {} reserved in {} of {} reservations\n",
                      page.total("active_slots"), page.total("empty_slots"), page.total("unused_slots"), slots,
                      bytes_text(static_cast<std::int64_t>(page.total("committed_bytes"))),
                      bytes_text(static_cast<std::int64_t>(page.total("reserved_bytes"))), page.total("reservations"),
                      page.total("reservations_max"));
  text += fmt::format("pool: {}, {}, {} grown, {} purged, {} refused, shared_fail {}\n",
                      counted(page.total("pool_acquires"), "acquire"), counted(page.total("pool_releases"), "release"),
                      page.total("pool_grows"), bytes_text(static_cast<std::int64_t>(page.total("purged_slots") << 16)),
                      counted(page.total("purge_refusals"), "purge"), page.total("shared_fail"));
  text += fmt::format("caches: {} of which {} parked; {}, {}; messages: {} sent, {} received; {} adopted\n",
                      page.total("caches"), page.total("parked_caches"), counted(page.total("refills"), "refill"),
                      counted(page.total("flushes"), "flush", "flushes"), page.total("messages_sent"),
                      page.total("messages_received"), counted(page.total("slabs_adopted"), "slab"));
  if (reading.latency_s > 0) text += latency_text(reading.latency, reading.latency_s);
  return text + classes_text(page) + events_text(page);
}

void declare_stat(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("stat", "Where the memory of a process is");
  const auto options = std::make_shared<Options>();
  command->add_option("PID", options->pid, "the process")->required()->check(CLI::PositiveNumber);
  command->add_option("-i,--interval", options->interval_s, "again every SECONDS")->check(CLI::Range(0.1, 86400.0));
  command->add_option("-n,--count", options->count, "how many times, with -i; until the process ends otherwise");
  command->add_option("--latency", options->latency_s, "time slow paths for SECONDS first, by cause")->check(CLI::Range(0.1, 3600.0));
  CLI::Option* json = command->add_flag("--json", options->json, "as JSON, schema hakmem.stat/1");
  command->add_flag("--openmetrics", options->openmetrics, "as text for Prometheus")->excludes(json);
  command->footer("Examples:\n  hakmem stat 4121\n  hakmem stat 4121 -i 1\n  hakmem stat 4121 --latency 5\n"
                  "  hakmem stat 4121 --openmetrics > node-exporter/hakmem-4121.prom\n\n"
                  "The rows sum to the resident memory the kernel reports. No signal, no ptrace, no port: the figures\n"
                  "are in a page the process shows in /dev/shm, and are as old as its last slow path at most.");
  command->callback([options, action] { *action = [options] { return stat(*options); }; });
}

}  // namespace hakmem::tools
