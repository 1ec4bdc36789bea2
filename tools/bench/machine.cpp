#include "machine.h"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string_view>

extern char** environ;

namespace hakmem::bench {
namespace {

std::string first_line(const char* file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// What follows `separator` in the first line that begins with `key`; quotes are taken off.
std::string field(const char* file, std::string_view key, char separator) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const std::size_t start = line.find_first_not_of(" \t\"", line.find(separator) + 1);
    if (start == std::string::npos) return {};
    return line.substr(start, line.find_last_not_of(" \t\"") - start + 1);
  }
  return {};
}

std::string processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return fmt::format("{}", online);
  return fmt::format("{} online, {} allowed", online, CPU_COUNT(&allowed));
}

// The word in brackets of "always [madvise] never".
std::string chosen(const std::string& line) {
  const std::size_t open = line.find('[');
  if (open == std::string::npos) return line;
  return line.substr(open + 1, line.find(']') - open - 1);
}

std::string boost() {
  const std::string no_turbo = first_line("/sys/devices/system/cpu/intel_pstate/no_turbo");
  if (!no_turbo.empty()) return no_turbo == "0" ? "on" : "off";
  const std::string boost = first_line("/sys/devices/system/cpu/cpufreq/boost");
  return boost.empty() ? "" : boost == "1" ? "on" : "off";
}

std::string hakmem_environment() {
  std::string text;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (variable.rfind("HAKMEM_", 0) != 0) continue;
    text += text.empty() ? "" : " ";
    text += variable;
  }
  return text.empty() ? "none set" : text;
}

}  // namespace

std::string load_average() {
  double load[3] = {};
  if (getloadavg(load, 3) != 3) return "unknown";
  return fmt::format("{:.2f} {:.2f} {:.2f}", load[0], load[1], load[2]);
}

Facts describe_machine() {
  utsname system{};
  uname(&system);
  struct sysinfo memory {};
  sysinfo(&memory);
  const double memory_gib =
      static_cast<double>(memory.totalram) * memory.mem_unit / (1024.0 * 1024.0 * 1024.0);
  const bool is_virtual =
      field("/proc/cpuinfo", "flags", ':').find(" hypervisor") != std::string::npos;
  const std::string smt = first_line("/sys/devices/system/cpu/smt/active");

  const Facts all = {
      {"processor", field("/proc/cpuinfo", "model name", ':')},
      {"architecture", system.machine},
      {"virtual machine", is_virtual ? "yes" : "no sign of one"},
      {"processors", processors()},
      {"threads share cores", smt.empty()  ? ""
                              : smt == "1" ? "yes"
                                           : "no"},
      {"last-level cache", first_line("/sys/devices/system/cpu/cpu0/cache/index3/size")},
      {"frequency governor", first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
      {"frequency boost", boost()},
      {"processor quota (cgroup)", first_line("/sys/fs/cgroup/cpu.max")},
      {"memory", fmt::format("{:.1f} GiB", memory_gib)},
      {"page size", fmt::format("{} KiB", sysconf(_SC_PAGESIZE) / 1024)},
      {"transparent huge pages", chosen(first_line("/sys/kernel/mm/transparent_hugepage/enabled"))},
      {"address randomisation", first_line("/proc/sys/kernel/randomize_va_space")},
      {"kernel", fmt::format("{} {}", system.sysname, system.release)},
      {"distribution", field("/etc/os-release", "PRETTY_NAME", '=')},
      {"C library", fmt::format("glibc {}", gnu_get_libc_version())},
      {"hakmem command", "version " HAKMEM_VERSION ", compiler " __VERSION__},
      {"hakmem options", hakmem_environment()},
  };
  Facts known;
  for (const auto& fact : all) {
    if (!fact.second.empty()) known.push_back(fact);
  }
  return known;
}

}  // namespace hakmem::bench
