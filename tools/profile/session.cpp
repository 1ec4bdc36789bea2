#include "session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "../live/failure.h"
#include "../live/text.h"
#include "symbols.h"

namespace hakmem::tools {
namespace {

using Clock = std::chrono::steady_clock;

// A busy process answers within a tick or two; an idle one does not answer.
constexpr unsigned kAnswerMs = 3000;
// A process shall not stay profiled because others asked for something at the same time. Of one that has become
// idle the request stands.
constexpr int kEndTurns = 3;
constexpr unsigned kEndMs = 1000;

volatile std::sig_atomic_t g_interrupted = 0;

double seconds_of(const std::string& text) {
  std::size_t end = 0;
  double number = -1;
  try {
    number = std::stod(text, &end);
  } catch (const std::exception&) {
  }
  const std::string unit = text.substr(end);
  const double factor = unit == "ms" ? 0.001 : unit == "s" || unit.empty() ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : -1;
  if (number < 0 || factor < 0 || number * factor > 1e6) {
    throw Failure(kExitUsage, "--duration {}: it takes a number and ms, s, m or h, as 30s", text);
  }
  return number * factor;
}

// The program's own file first: readers of pprof take the first one for it.
void put_program_first(Profile* profile) {
  for (const Location& location : profile->locations) {
    if (location.module == SIZE_MAX || (location.function != "_start" && location.function != "main")) continue;
    const std::size_t program = location.module;
    std::swap(profile->modules[0], profile->modules[program]);
    for (Location& other : profile->locations) {
      if (other.module == 0 || other.module == program) other.module = other.module == 0 ? program : 0;
    }
    return;
  }
}

}  // namespace

OpenFile::~OpenFile() { close(number); }

std::optional<PageFile> profile_file_of(int pid) { return find_profile(read_mappings(pid, Detail::kAddresses)); }

void name_and_date(Profile* profile, int pid) {
  name_locations(profile, pid == 0 ? "" : fmt::format("/proc/{}/root", pid));
  drop_allocator(profile);
  put_program_first(profile);
  profile->time_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void write_output(const std::string& output, const std::string& bytes) {
  if (output.empty() || output == "-") {
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    if (std::fflush(stdout) != 0) throw Failure(kExitPermission, "stdout cannot be written: {}", std::strerror(errno));
    return;
  }
  std::ofstream file(output, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  if (!file) throw Failure(kExitPermission, "{} cannot be written: {}", output, std::strerror(errno));
}

// By way of another constructor, so that what was begun is ended also when something is refused here.
Session::Session(int pid, std::uint32_t rate, const std::string& duration) : Session(pid) {
  const StatsPage page = read_page(pid);
  const bool was_on = page.total("profile_rate") != 0;
  seconds_ = duration.empty() ? (was_on ? 0 : 30) : seconds_of(duration);
  if (!was_on) begin(rate);
  found_ = profile_file_of(pid);
  if (!found_) {
    throw Failure(kExitFinding, "process {} has taken no sample yet (one every {} in the mean)", pid,
                  bytes_text(static_cast<std::int64_t>(page.total("profile_rate"))));
  }
  file_.emplace(open_page(pid, *found_, O_RDONLY));
  start_ = Clock::now();
  if (was_on && seconds_ > 0) mark_ = mark_of(read());
}

Session::~Session() {
  if (!began_) return;
  try {
    for (int turn = 0; turn < kEndTurns; ++turn) {
      const StatsPage page = ask_page(pid_, Request::kNoProfile, kEndMs);
      if (page.answered && page.total("profile_rate") == 0) return;
    }
  } catch (const Failure&) {
    // It has ended meanwhile.
  }
}

void Session::begin(std::uint32_t rate) {
  const StatsPage page = ask_page(pid_, Request::kProfile, kAnswerMs, rate);
  if (!page.answered) {
    throw Failure(kExitFinding, "process {} did not answer: it is idle, or its caches have all it asks for; the request stands, and the"
                  " profile begins when that changes", pid_);
  }
  if (page.total("profile_rate") == 0) {
    throw Failure(kExitUnsupported, "process {} refuses to be profiled: it is in a sandbox (seccomp), runs an older"
                  " library, or its /dev/shm has no room for 256 KiB", pid_);
  }
  began_ = true;
}

void Session::wait() {
  std::signal(SIGINT, [](int) { g_interrupted = 1; });
  std::signal(SIGTERM, [](int) { g_interrupted = 1; });
  const auto end = start_ + std::chrono::duration<double>(seconds_);
  const std::string folder = fmt::format("/proc/{}/ns/pid", pid_);
  char link[64];
  while (g_interrupted == 0 && Clock::now() < end && readlink(folder.c_str(), link, sizeof link) > 0) {
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    poll(nullptr, 0, static_cast<int>(std::min<std::int64_t>(rest + 1, 100)));
  }
}

Profile Session::read() const {
  Profile profile = read_raw(file_->number, printable(found_->path), mark_);
  profile.duration_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count();
  return profile;
}

}  // namespace hakmem::tools
