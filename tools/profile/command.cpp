// `hakmem profile P`, `hakmem profile diff A B`, and what `hakmem run --profile` leaves.
#include "command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "../live/commands.h"
#include "../live/failure.h"
#include "../live/page.h"
#include "../live/text.h"
#include "pprof.h"
#include "profile/profile_format.h"
#include "raw.h"
#include "session.h"
#include "text_formats.h"

namespace hakmem::tools {
namespace {

enum class Format { kTable, kJson, kPprof, kFolded, kSpeedscope, kHtml };

struct Options {
  int pid = 0;
  std::string duration;
  std::string output;
  std::uint32_t rate = 0;
  std::size_t rows = 20;
  bool json = false, folded = false, speedscope = false, html = false;
  bool live = false, allocated = false, peak = false, growth = false;
  std::string before, after;  // of diff

  Format format() const {
    if (json) return Format::kJson;
    if (folded) return Format::kFolded;
    if (speedscope) return Format::kSpeedscope;
    if (html) return Format::kHtml;
    return output.empty() ? Format::kTable : Format::kPprof;
  }
  std::string column() const {
    if (allocated) return "alloc_space";
    if (peak) return "peak_space";
    if (growth) return "growth_space";
    return live ? "inuse_space" : "";
  }
};

void deliver(const Profile& profile, const Options& options, const std::string& name) {
  switch (options.format()) {
    case Format::kTable:
      return write_output(options.output, to_table(profile, options.rows));
    case Format::kJson:
      return write_output(options.output, to_json(profile, name));
    case Format::kPprof:
      return write_output(options.output, to_pprof(profile));
    case Format::kFolded:
      return write_output(options.output, to_folded(profile));
    case Format::kSpeedscope:
      return write_output(options.output, to_speedscope(profile, name));
    case Format::kHtml:
      return write_output(options.output, to_html(profile, name));
  }
}

void choose(Profile* profile, const std::string& column) {
  profile->chosen = column_of(*profile, column.empty() ? "inuse_space" : column);
}

int profile(const Options& options) {
  Session session(options.pid, options.rate, options.duration);
  const ProcessInfo process = read_process(options.pid);
  session.wait();
  Profile result = session.read();
  name_and_date(&result, options.pid);
  choose(&result, options.column());
  deliver(result, options, fmt::format("{}[{}]", process.name, options.pid));
  if (options.format() == Format::kPprof && options.output != "-") {
    fmt::print(stderr, "hakmem: {} of {} in {}; go tool pprof -http=: {}\n", counted(result.taken, "sample"),
               counted(result.samples.size(), "call stack"), options.output, options.output);
  }
  return kExitFine;
}

Profile read_pprof(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Failure(errno == EACCES ? kExitPermission : kExitTargetMissing, "{}: {}", path, std::strerror(errno));
  }
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return from_pprof(bytes, path);
}

int diff(const Options& options) {
  const Profile before = read_pprof(options.before);
  const Profile after = read_pprof(options.after);
  deliver(difference(before, after, options.column()), options,
          fmt::format("{} less {}", options.after, options.before));
  return kExitFine;
}

void add_output(CLI::App* command, Options* options) {
  command->add_option("-o,--output", options->output, "a file, or - for stdout; alone it means pprof");
  CLI::Option_group* formats = command->add_option_group("format");
  formats->add_flag("--json", options->json, "as JSON, schema hakmem.profile/1, all call stacks");
  formats->add_flag("--folded", options->folded, "a line a call stack, for flamegraph.pl and others");
  formats->add_flag("--speedscope", options->speedscope, "JSON for speedscope.app");
  formats->add_flag("--html", options->html, "a page with a flame graph, which needs nothing else");
  formats->require_option(0, 1);
  CLI::Option_group* columns = command->add_option_group("figures");
  columns->add_flag("--live", options->live, "what the program holds at the end (default)");
  columns->add_flag("--allocated", options->allocated, "all that it asked for, freed or not");
  columns->add_flag("--peak", options->peak, "what it held when that was most");
  columns->add_flag("--growth", options->growth, "what it holds more at the end than at the beginning");
  columns->require_option(0, 1);
  command->add_option("--rows", options->rows, "call stacks in the table");
}

}  // namespace

void write_profile_of_ended(int pid, const std::string& output) {
  try {
    const std::string path = raw_path(pid);
    const int number = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (number < 0) {
      throw Failure(kExitFinding, "no profile: the program allocated too little to be sampled, or made no file in"
                    " /dev/shm (it hides itself, or there is no room)");
    }
    const OpenFile file(number);
    Profile result = read_raw(file.number, path, {});
    unlink(path.c_str());
    name_and_date(&result, 0);
    choose(&result, "peak_space");
    write_output(output, to_pprof(result));
  } catch (const Failure& failure) {
    fmt::print(stderr, "hakmem run: {}\n", failure.what());
  }
}

Profile profile_so_far(int pid) {
  const std::optional<PageFile> found = profile_file_of(pid);
  if (!found) {
    throw Failure(kExitFinding, "process {0} is not profiled now: `hakmem profile {0} -d 5m` begins, as"
                  " HAKMEM_PROFILE=on does from its start", pid);
  }
  const OpenFile file(open_page(pid, *found, O_RDONLY));
  Profile result = read_raw(file.number, printable(found->path), {});
  name_and_date(&result, pid);
  choose(&result, "inuse_space");
  return result;
}

void declare_profile(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("profile", "Which call sites of a process hold its heap, by samples");
  const auto options = std::make_shared<Options>();
  command->add_option("PID", options->pid, "a running process")->check(CLI::PositiveNumber);
  command->add_option("-d,--duration", options->duration,
                      "how long, as 30s (default); of a process that is profiled already: 0, what there is");
  command->add_option("--rate", options->rate, "bytes between two samples, in the mean (default: 524288)")
      ->check(CLI::Range(static_cast<unsigned>(kProfileRateMin), 1u << 30));
  add_output(command, options.get());
  command->require_subcommand(0, 1);
  CLI::App* two = command->add_subcommand("diff", "What the second of two pprof files holds more than the first");
  two->add_option("BEFORE", options->before)->required();
  two->add_option("AFTER", options->after)->required();
  add_output(two, options.get());
  command->footer("Examples:\n  hakmem profile 4121 -d 30s -o heap.pb.gz && go tool pprof -top heap.pb.gz\n"
                  "  hakmem profile 4121 -d 5m --growth --html -o growth.html\n"
                  "  hakmem profile diff monday.pb.gz friday.pb.gz");
  two->callback([options, action] { *action = [options] { return diff(*options); }; });
  command->callback([options, action, two] {
    if (two->parsed()) return;
    *action = [options] {
      if (options->pid == 0) throw Failure(kExitUsage, "profile takes a PID (hakmem ps shows them), or diff");
      return profile(*options);
    };
  });
}

}  // namespace hakmem::tools
