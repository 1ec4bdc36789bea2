#include "process.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "failure.h"

namespace hakmem::tools {
namespace {

namespace fs = std::filesystem;

std::string folder_of(int pid) { return "/proc/" + std::to_string(pid); }

[[noreturn]] void fail(int pid, int error) {
  if (error == EACCES || error == EPERM) {
    throw Failure(kExitPermission,
                  "process {} may not be looked at: it is another user's, or hides itself; try as root", pid);
  }
  throw Failure(kExitTargetMissing, "no process {}", pid);
}

std::string read_file_of(int pid, const char* name) {
  const std::optional<std::string> text = read_text(folder_of(pid) + "/" + name);
  if (!text) fail(pid, errno);
  return *text;
}

std::string user_name(unsigned uid) {
  const passwd* entry = getpwuid(uid);
  return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

// "begin-end perms offset major:minor inode path"
bool parse_mapping(const std::string& line, Mapping* out) {
  unsigned major_number = 0;
  unsigned minor_number = 0;
  char permissions[8] = {};
  int path_at = 0;
  if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %7s %*x %x:%x %" SCNu64 " %n", &out->begin,
                  &out->end, permissions, &major_number, &minor_number, &out->inode, &path_at) < 6) {
    return false;
  }
  out->permissions = permissions;
  out->device = makedev(major_number, minor_number);
  out->path = line.substr(std::min(static_cast<std::size_t>(path_at), line.size()));
  return true;
}

// "Name:   123 kB" in bytes.
std::uint64_t kilobytes(const std::string& line) {
  const std::size_t colon = line.find(':');
  return std::strtoull(line.c_str() + colon + 1, nullptr, 10) * 1024;
}

bool names(const std::string& line, const char* name) { return line.rfind(name, 0) == 0; }

}  // namespace

std::optional<std::string> read_text(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text;
  char part[65536];
  ssize_t got;
  while ((got = read(file, part, sizeof(part))) > 0) text.append(part, static_cast<std::size_t>(got));
  const int error = errno;
  close(file);
  errno = error;
  if (got < 0) return std::nullopt;
  return text;
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

std::vector<Mapping> read_mappings(int pid, Detail detail) {
  std::istringstream lines(read_file_of(pid, detail == Detail::kMemory ? "smaps" : "maps"));
  std::vector<Mapping> mappings;
  for (std::string line; std::getline(lines, line);) {
    Mapping mapping;
    // Addresses are lower-case hexadecimal, names of figures begin with a capital.
    if (!line.empty() && line[0] >= 'A' && line[0] <= 'Z') {
      if (mappings.empty()) continue;
      Mapping& last = mappings.back();
      if (names(line, "Rss:")) last.rss = kilobytes(line);
      if (names(line, "Swap:")) last.swap = kilobytes(line);
      if (names(line, "AnonHugePages:")) last.huge_pages = kilobytes(line);
    } else if (parse_mapping(line, &mapping)) {
      mappings.push_back(mapping);
    }
  }
  return mappings;
}

ProcessInfo read_process(int pid) {
  ProcessInfo info;
  info.pid = info.own_pid = pid;
  std::istringstream lines(read_file_of(pid, "status"));
  for (std::string line; std::getline(lines, line);) {
    if (names(line, "Name:")) info.name = printable(line.substr(line.find_first_not_of("\t ", 5)));
    if (names(line, "Uid:")) std::sscanf(line.c_str(), "Uid: %*u %u", &info.uid);
    if (names(line, "VmRSS:")) info.rss = kilobytes(line);
    if (names(line, "VmSwap:")) info.swap = kilobytes(line);
    if (names(line, "Threads:")) info.threads = std::strtoull(line.c_str() + 8, nullptr, 10);
    if (names(line, "NSpid:")) info.own_pid = std::atoi(line.substr(line.find_last_of('\t') + 1).c_str());
  }
  info.user = user_name(info.uid);
  info.command = read_text(folder_of(pid) + "/cmdline").value_or("");
  while (!info.command.empty() && info.command.back() == '\0') info.command.pop_back();
  // A line of it is as good as a word.
  for (const char end : {'\0', '\n', '\t'}) std::replace(info.command.begin(), info.command.end(), end, ' ');
  info.command = info.command.empty() ? info.name : printable(info.command);
  // Field 22 is the start in clock ticks since boot; the name before it may hold blanks.
  const std::string stat = read_text(folder_of(pid) + "/stat").value_or("");
  const std::string uptime = read_text("/proc/uptime").value_or("0");
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
  std::string field;
  for (int i = 3; i <= 22 && fields >> field; ++i) {
  }
  const double start_s = std::strtod(field.c_str(), nullptr) / static_cast<double>(sysconf(_SC_CLK_TCK));
  info.age_s = std::max(0.0, std::strtod(uptime.c_str(), nullptr) - start_s);
  return info;
}

std::vector<std::string> read_environment(int pid) {
  const std::string text = read_file_of(pid, "environ");
  std::vector<std::string> variables;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\0', start), text.size());
    variables.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return variables;
}

std::optional<std::string> variable_of(const std::vector<std::string>& environment,
                                       const std::string& name) {
  for (const std::string& variable : environment) {
    if (variable.rfind(name + "=", 0) == 0) return variable.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::vector<int> all_processes() {
  std::vector<int> pids;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    int pid = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (code == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace hakmem::tools
