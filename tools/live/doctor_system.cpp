// What of the system, and of the way a process was started, stands in hakmem's way.
#include <fmt/format.h>

#include "doctor_rules.h"
#include "text.h"

namespace hakmem::tools {
namespace {

using Answer = std::optional<Finding>;

std::string size(std::uint64_t bytes) { return bytes_text(static_cast<std::int64_t>(bytes)); }

std::string target(const Patient& patient) { return patient.pid == 0 ? "P" : std::to_string(patient.pid); }

Answer huge_pages(const Patient& patient) {
  // What hakmem's heap has of them it has asked for itself.
  if (patient.host.huge_pages != "always" || patient.reading) return std::nullopt;
  return Finding{
      "transparent huge pages are given to every process",
      "with `always` the first byte written to 2 MiB of a mapping can take all 2 MiB; hakmem's SuperSlabs are not"
      " concerned, but blocks above 2 MiB, stacks and the program's own mappings are",
      "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
      "resident memory near what is in use, for more TLB misses; the program's speed may fall: measure both",
      "Linux, admin-guide/mm/transhuge.rst; docs/decisions/0023-huge-pages.md"};
}

Answer overcommit(const Patient& patient) {
  const Host& host = patient.host;
  if (host.overcommit != 2 || host.committed < host.commit_limit - host.commit_limit / 8) return std::nullopt;
  return Finding{
      fmt::format("vm.overcommit_memory is 2, and {} of {} are promised", size(host.committed), size(host.commit_limit)),
      "in this mode memory counts when it is made writable, used or not: SuperSlabs are committed in steps ahead of use",
      "sysctl vm.overcommit_memory=0, or a larger vm.overcommit_ratio",
      "malloc is refused memory only when there is none",
      "Linux, mm/overcommit-accounting.rst"};
}

Answer map_limit(const Patient& patient) {
  const std::uint64_t limit = patient.host.max_map_count;
  if (limit == 0) return std::nullopt;
  if (patient.pid == 0 ? limit >= 65530 : patient.mappings < limit / 5 * 4) return std::nullopt;
  return Finding{
      patient.pid == 0 ? fmt::format("vm.max_map_count is {}, below the kernel's default of 65530", limit)
                       : fmt::format("{} of {} mappings are in use", patient.mappings, limit),
      "where the limit is reached mmap and munmap fail, although there is memory; each block above 2 MiB is a mapping"
      " of its own, and is then placed in SuperSlabs (docs/decisions/0014)",
      fmt::format("sysctl vm.max_map_count={}", std::max<std::uint64_t>(limit * 4, 262144)),
      "the program's own mmap calls and threads are not refused",
      "Linux, admin-guide/sysctl/vm.rst"};
}

Answer memory_limit(const Patient& patient) {
  const MemoryLimit& limit = patient.limit;
  if (limit.bytes == 0 || limit.used < limit.bytes - limit.bytes / 8) return std::nullopt;
  return Finding{
      fmt::format("{} of {} of the memory cgroup are in use", size(limit.used), size(limit.bytes)),
      fmt::format("{} ends the group's processes when it is reached; hakmem gives back all it can from seven eighths"
                  " of the limit on, which costs time", limit.file),
      patient.pid == 0 ? "hakmem ps" : fmt::format("hakmem stat {}", patient.pid),
      "shows whether the memory is in use (the limit is too small) or free (HAKMEM_DECAY, HAKMEM_CACHE_LIMIT)",
      "docs/decisions/0019-memory-limit.md; Linux, admin-guide/cgroup-v2.rst"};
}

Answer page_size(const Patient& patient) {
  if (patient.host.page_bytes <= 4096) return std::nullopt;
  return Finding{
      fmt::format("the kernel's pages are {}", size(patient.host.page_bytes)),
      "pages inside of slabs go back only when every block on them is free, which is rarer the larger pages are; with"
      " 64 KiB a page is a whole slot",
      "getconf PAGESIZE", "none without another kernel: resident memory of a program that frees most of what it had stays"
      " higher than with 4 KiB", "docs/decisions/0017-hole-purge.md, whose figures are of 4 KiB pages"};
}

Answer loaded_late(const Patient& patient) {
  if (patient.verdict.cause != Cause::kLate) return std::nullopt;
  return Finding{
      "libhakmem.so was loaded by dlopen, and serves nothing",
      "malloc was bound before; what is loaded late also takes its thread-local memory from the little that is left in"
      " the static TLS block, and can fail with \"cannot allocate memory in static TLS block\"",
      "hakmem run -- PROGRAM",
      "the library comes first, and its thread-local memory is part of the block from the start",
      "glibc's manual on glibc.rtld.optional_static_tls"};
}

Answer second_allocator(const Patient& patient) {
  if (patient.other_allocators.empty()) return std::nullopt;
  std::string list;
  for (const std::string& other : patient.other_allocators) list += (list.empty() ? "" : ", ") + other;
  return Finding{
      "another allocator is in the process: " + list,
      "memory it takes is not in hakmem's figures (it is `other` in the ledger), and a block of one that is freed by the"
      " other ends the program",
      fmt::format("hakmem verify --pid {}", target(patient)),
      "says whose malloc the program is bound to; only a build without the other allocator removes it",
      "symbols of the mapped files"};
}

Answer preload_order(const Patient& patient) {
  if (patient.verdict.cause != Cause::kOrder) return std::nullopt;
  return Finding{
      "libhakmem.so is loaded, but comes too late: " + patient.verdict.reason,
      "of all libraries that define malloc the first one serves",
      "LD_PRELOAD=\"libhakmem.so $LD_PRELOAD\" PROGRAM",
      "hakmem serves the program", "ld.so(8), LD_PRELOAD: searched in the order given"};
}

Answer no_figures(const Patient& patient) {
  const std::string off = variable_of(patient.environment, "HAKMEM_STATS").value_or("");
  const bool is_off = off == "off" || off == "0" || off == "no" || off == "false";
  if (patient.host.has_shared_memory && !is_off) return std::nullopt;
  return Finding{
      is_off ? "figures are switched off: HAKMEM_STATS=" + off : "/dev/shm is not there, or is no tmpfs",
      "a process shows its figures in a file of /dev/shm, only where that is memory",
      is_off ? "unset HAKMEM_STATS" : "mount -t tmpfs tmpfs /dev/shm",
      "hakmem stat, top, map and the rules of this command that need figures work",
      "docs/OBSERVE.md: the page costs malloc and free no instruction, slow paths a write ten times a second at most"};
}

Answer ignored_options(const Patient& patient) {
  if (patient.ignored_options.empty()) return std::nullopt;
  return Finding{
      counted(patient.ignored_options.size(), "option is", "options are") + " ignored",
      patient.ignored_options.front(),
      patient.pid == 0 ? "hakmem explain" : fmt::format("hakmem explain {}", patient.pid),
      "shows every option, its value and where that came from", "the library's own parser read this environment"};
}

Answer switched_off(const Patient& patient) {
  if (patient.verdict.cause != Cause::kSwitchedOff) return std::nullopt;
  return Finding{"hakmem serves nothing: every request goes to libc", patient.verdict.reason, patient.verdict.fix,
                 "hakmem serves the program", "src/config/options.def"};
}

}  // namespace

std::vector<Rule> system_rules() {
  return {
      {"HAK001", "huge-pages", Needs::kSystem, huge_pages},
      {"HAK002", "overcommit", Needs::kSystem, overcommit},
      {"HAK003", "map-limit", Needs::kSystem, map_limit},
      {"HAK004", "memory-limit", Needs::kSystem, memory_limit},
      {"HAK005", "page-size", Needs::kSystem, page_size},
      {"HAK006", "loaded-late", Needs::kProcess, loaded_late},
      {"HAK007", "second-allocator", Needs::kProcess, second_allocator},
      {"HAK008", "preload-order", Needs::kProcess, preload_order},
      {"HAK009", "no-figures", Needs::kSystem, no_figures},
      {"HAK010", "ignored-options", Needs::kSystem, ignored_options},
      {"HAK011", "switched-off", Needs::kProcess, switched_off},
  };
}

}  // namespace hakmem::tools
