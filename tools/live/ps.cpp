// hakmem ps, hakmem purge: which processes use hakmem; give back what they can.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "commands.h"
#include "failure.h"
#include "page.h"
#include "text.h"

namespace hakmem::tools {
namespace {

namespace fs = std::filesystem;

struct Row {
  ProcessInfo process;
  bool has_page = false;
  std::string note;  // why it has none
  std::int64_t heap = 0;
  std::int64_t idle = 0;
  std::uint64_t age_ms = 0;
};

std::optional<Row> look_at(int pid, const std::vector<Mapping>& mappings) {
  if (!find_page(mappings) && mapped_library(mappings).empty()) return std::nullopt;
  Row row;
  row.process = read_process(pid);
  try {
    const StatsPage page = read_page(pid);
    row.has_page = true;
    row.age_ms = page.age_ms;
    for (const char* name : {"cached_bytes", "free_bytes", "tail_bytes", "empty_bytes", "huge_retained_bytes"}) {
      row.idle += static_cast<std::int64_t>(page.total(name));
    }
    row.heap = row.idle + static_cast<std::int64_t>(page.total("small_live_bytes") + page.total("huge_live_bytes"));
  } catch (const Failure& failure) {
    row.note = failure.what();
  }
  return row;
}

// PID.NAMESPACE, as the library names its pages.
bool is_name_of_page(const std::string& name) {
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const std::size_t dot = name.find('.');
  return dot != std::string::npos && is_number(std::string_view(name).substr(0, dot)) &&
         is_number(std::string_view(name).substr(dot + 1));
}

// The library's files have a lock for as long as somebody has them mapped (os/shared_page.h). It is held here until
// the name is gone, so that a process that is just making the file sees that it has to make another.
bool remove_unless_mapped(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  const bool removed = ::flock(file, LOCK_EX | LOCK_NB) == 0 && ::unlink(path.c_str()) == 0;
  ::close(file);
  return removed;
}

// Pages of processes that are gone, or run another program by now, of every pid namespace.
std::size_t remove_stale() {
  std::size_t removed = 0;
  std::error_code error;
  for (const fs::directory_entry& folder : fs::directory_iterator("/dev/shm", error)) {
    if (folder.path().filename().string().rfind("hakmem.", 0) != 0 || folder.is_symlink(error)) continue;
    std::error_code refused;
    for (const fs::directory_entry& file : fs::directory_iterator(folder.path(), refused)) {
      if (is_name_of_page(file.path().filename()) && remove_unless_mapped(file.path())) ++removed;
    }
  }
  return removed;
}

void print_rows(const std::vector<Row>& rows) {
  fmt::print("{:>7}  {:<10} {:>11} {:>11} {:>7}  {:>11} {:>9}  {}\n", "PID", "USER", "RSS", "HEAP", "UNUSED", "UP",
             "FIGURES", "COMMAND");
  for (const Row& row : rows) {
    const ProcessInfo& process = row.process;
    const std::string command = cut(process.command, 60);
    if (!row.has_page) {
      fmt::print("{:>7}  {:<10} {:>11} {:>11} {:>7}  {:>11} {:>9}  {}\n", process.pid, process.user,
                 bytes_text(static_cast<std::int64_t>(process.rss)), "-", "-", duration_text(process.age_s), "none",
                 command);
      continue;
    }
    const std::string unused =
        row.heap == 0 ? "-" : fmt::format("{:.0f} %", 100.0 * static_cast<double>(row.idle) / static_cast<double>(row.heap));
    fmt::print("{:>7}  {:<10} {:>11} {:>11} {:>7}  {:>11} {:>9}  {}\n", process.pid, process.user,
               bytes_text(static_cast<std::int64_t>(process.rss)), bytes_text(row.heap), unused,
               duration_text(process.age_s),
               row.age_ms < 1000 ? fmt::format("{} ms", row.age_ms) : duration_text(static_cast<double>(row.age_ms) / 1000),
               command);
  }
}

nlohmann::ordered_json json_of(const Row& row) {
  nlohmann::ordered_json out{{"pid", row.process.pid},       {"uid", row.process.uid},
                             {"user", row.process.user},     {"command", row.process.command},
                             {"rss_bytes", row.process.rss}, {"up_seconds", row.process.age_s},
                             {"figures", row.has_page}};
  if (!row.has_page) {
    out["why"] = row.note;
    return out;
  }
  out["heap_bytes"] = row.heap;
  out["unused_bytes"] = row.idle;
  out["age_ms"] = row.age_ms;
  return out;
}

int ps(bool json) {
  std::vector<Row> rows;
  std::size_t hidden = 0;
  for (const int pid : all_processes()) {
    try {
      if (std::optional<Row> row = look_at(pid, read_mappings(pid, Detail::kAddresses))) rows.push_back(*row);
    } catch (const Failure& failure) {
      if (failure.code() == kExitPermission) ++hidden;
    }
  }
  const std::size_t removed = remove_stale();
  if (json) {
    nlohmann::ordered_json out{{"schema", "hakmem.ps/1"}, {"hidden", hidden}, {"stale_removed", removed}};
    out["processes"] = nlohmann::ordered_json::array();
    for (const Row& row : rows) out["processes"].push_back(json_of(row));
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    print_rows(rows);
    if (removed != 0) fmt::print(stderr, "hakmem: removed {} that dead processes left\n", counted(removed, "file"));
    if (hidden != 0) fmt::print(stderr, "hakmem: {} of other users could not be looked at\n", counted(hidden, "process", "processes"));
  }
  return kExitFine;
}

int purge(int pid, unsigned wait_ms) {
  const StatsPage before = read_page(pid);
  const StatsPage after = ask_page(pid, Request::kPurge, wait_ms);
  if (!after.answered) {
    fmt::print("process {} has been asked; it is idle, or its caches have all it asks for, and it answers when that changes\n", pid);
    return kExitFinding;
  }
  const Table& events = after.table("events");
  std::uint64_t bytes = 0;
  std::uint64_t newest = 0;
  for (std::size_t row = 0; row < events.rows; ++row) {
    const auto kind = after.events.find(events.at(row, "kind"));
    if (kind == after.events.end() || kind->second.name != "requested_purge") continue;
    if (events.at(row, "number") > newest) bytes = events.at(row, "amount");
    newest = std::max(newest, events.at(row, "number"));
  }
  fmt::print("process {} gave back {}\n", pid, bytes_text(static_cast<std::int64_t>(bytes)));
  return kExitFine;
}

}  // namespace

void declare_ps(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("ps", "Processes that use hakmem");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "as JSON, schema hakmem.ps/1");
  command->footer("UNUSED is the share of the heap that the program does not hold. Takes away the pages that processes\n"
                  "which are gone have left in /dev/shm.");
  command->callback([json, action] { *action = [json] { return ps(*json); }; });
}

void declare_purge(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("purge", "Ask a process to give back what it can");
  const auto pid = std::make_shared<int>(0);
  const auto wait = std::make_shared<unsigned>(2000);
  command->add_option("PID", *pid, "the process")->required()->check(CLI::PositiveNumber);
  command->add_option("--wait", *wait, "milliseconds to wait for the answer");
  command->footer("The process does so in its next slow path; what live threads have on their stacks stays there.\n"
                  "Exit status 1: it did not answer in time.");
  command->callback([pid, wait, action] { *action = [pid, wait] { return purge(*pid, *wait); }; });
}

}  // namespace hakmem::tools
