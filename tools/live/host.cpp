#include "host.h"

#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "process.h"

namespace hakmem::tools {
namespace {

// TMPFS_MAGIC of linux/magic.h.
constexpr long kTmpfs = 0x01021994;
// Version 1 of cgroups says the largest multiple of a page.
constexpr std::uint64_t kUnlimitedFrom = std::uint64_t{1} << 60;

std::uint64_t number_in(const std::string& path) {
  return std::strtoull(read_text(path).value_or("0").c_str(), nullptr, 10);
}

// "Name:   123 kB" of /proc/meminfo, in bytes.
std::uint64_t memory_line(const std::string& text, const std::string& name) {
  const std::size_t at = text.find(name + ":");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size() + 1, nullptr, 10) * 1024;
}

// The word in brackets.
std::string chosen(const std::string& text) {
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']');
  return open == std::string::npos || close == std::string::npos ? "" : text.substr(open + 1, close - open - 1);
}

void consider(const std::string& folder, const char* limit_name, const char* used_name, MemoryLimit* least) {
  const std::string file = folder + "/" + limit_name;
  const std::string text = read_text(file).value_or("max");
  char* end = nullptr;
  const std::uint64_t bytes = std::strtoull(text.c_str(), &end, 10);
  if (end == text.c_str() || bytes == 0 || bytes >= kUnlimitedFrom) return;
  if (least->bytes != 0 && bytes >= least->bytes) return;
  *least = MemoryLimit{bytes, number_in(folder + "/" + used_name), file};
}

}  // namespace

Host read_host(const std::string& root) {
  Host host;
  host.huge_pages = chosen(read_text(root + "/sys/kernel/mm/transparent_hugepage/enabled").value_or(""));
  host.overcommit = number_in(root + "/proc/sys/vm/overcommit_memory");
  host.max_map_count = number_in(root + "/proc/sys/vm/max_map_count");
  const std::string memory = read_text(root + "/proc/meminfo").value_or("");
  host.commit_limit = memory_line(memory, "CommitLimit");
  host.committed = memory_line(memory, "Committed_AS");
  host.page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  struct statfs status {};
  host.has_shared_memory = statfs((root + "/dev/shm").c_str(), &status) == 0 && status.f_type == kTmpfs;
  return host;
}

MemoryLimit read_memory_limit(const std::string& root, int pid) {
  MemoryLimit least;
  std::istringstream lines(read_text("/proc/" + std::to_string(pid) + "/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    // number:controllers:path; version 2 has no controllers.
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_version_2 = controllers == ",,";
    if (!is_version_2 && controllers.find(",memory,") == std::string::npos) continue;
    const std::string mount = root + (is_version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    std::string group = line.substr(second + 1);
    while (true) {
      while (!group.empty() && group.back() == '/') group.pop_back();
      if (is_version_2) {
        consider(mount + group, "memory.max", "memory.current", &least);
        consider(mount + group, "memory.high", "memory.current", &least);
      } else {
        consider(mount + group, "memory.limit_in_bytes", "memory.usage_in_bytes", &least);
      }
      if (group.empty()) break;
      group.resize(std::min(group.rfind('/'), group.size()));
    }
  }
  return least;
}

}  // namespace hakmem::tools
