// What the figures of a process say that its owner may want to change.
#include <fmt/format.h>

#include <algorithm>

#include "config/config.h"
#include "doctor_rules.h"
#include "text.h"

namespace hakmem::tools {
namespace {

using Answer = std::optional<Finding>;

// Less is not worth a finding.
constexpr std::int64_t kWorthBytes = std::int64_t{16} << 20;
constexpr std::uint64_t kWorthMessages = 10'000;
constexpr std::uint64_t kWorthLocks = 100'000;

std::int64_t total(const Patient& patient, const char* name) {
  return static_cast<std::int64_t>(patient.reading->page.total(name));
}
std::uint64_t counter(const Patient& patient, const char* name) {
  return patient.reading->page.table("counters").at(0, name);
}
std::uint64_t option(const Patient& patient, const char* name) {
  return patient.reading->page.table("options").at(0, name);
}

// Free, with pages behind it: the pages that are not there are taken to be free memory's.
std::int64_t free_in_slabs(const Patient& patient) {
  return std::max<std::int64_t>(total(patient, "free_bytes") + patient.reading->ledger.of("absent"), 0);
}
std::int64_t retained(const Patient& patient) {
  return total(patient, "empty_bytes") + total(patient, "huge_retained_bytes");
}

Answer fragmentation(const Patient& patient) {
  const std::int64_t idle = free_in_slabs(patient);
  const std::int64_t slots = total(patient, "active_slots") << 16;
  if (idle < 2 * kWorthBytes || idle < slots / 4) return std::nullopt;
  return Finding{
      fmt::format("{} of {} in slabs are free blocks", bytes_text(idle), bytes_text(slots)),
      "blocks that live long lie between blocks that were freed: a slab goes back only when all of it is free, a page"
      " when every block on it is",
      fmt::format("hakmem map {0}; hakmem purge {0}", patient.pid),
      fmt::format("map names the classes; purge gives back what of the {} lies on wholly free pages", bytes_text(idle)),
      "this process's figures; docs/decisions/0017-hole-purge.md measures what stays (22 of 246 MiB with single survivors)"};
}

Answer small_messages(const Patient& patient) {
  const std::uint64_t messages = counter(patient, "messages_sent");
  const std::uint64_t blocks = counter(patient, "blocks_sent");
  if (messages < kWorthMessages || blocks > messages * 16) return std::nullopt;
  return Finding{
      fmt::format("blocks of other threads go home in small batches: {:.1f} blocks in each of {} messages",
                  static_cast<double>(blocks) / static_cast<double>(messages), count_text(messages)),
      "a thread keeps eight messages open; where its frees go to more owners than that, messages leave nearly empty",
      fmt::format("hakmem top {}", patient.pid),
      "shows the rate; where few threads allocate for each thread that frees, a free takes 0.02 atomics instead of two",
      "docs/PERFORMANCE.md, scaling: 126 blocks in a message with two threads, 1.1 with 64"};
}

Answer nobody_gives_back(const Patient& patient) {
  const std::uint64_t scavenger = option(patient, "scavenger");
  const std::uint64_t decay = option(patient, "decay");
  const bool alone = total(patient, "caches") - total(patient, "parked_caches") <= 1;
  const bool has_scavenger = scavenger == 2 || (scavenger == 1 && !alone);
  const std::uint64_t age = patient.reading->page.age_ms;
  const std::int64_t idle = retained(patient);
  if (has_scavenger || decay == kDurationNeverMs || age < decay + 1000 || idle < kWorthBytes) return std::nullopt;
  return Finding{
      fmt::format("{} of EMPTY slots and retained blocks stay: for {} the program was idle, or its caches had all it asked for",
                  bytes_text(idle), duration_text(static_cast<double>(age) / 1000)),
      scavenger == 0 ? "HAKMEM_SCAVENGER=off: memory goes back at calls of malloc and free alone"
                     : "a program with one thread gets no scavenger, and gives back only while it allocates or frees",
      "HAKMEM_SCAVENGER=on hakmem run -- PROGRAM",
      fmt::format("the {}, and pages of slabs that are wholly free, go back within two decay times ({} ms each)",
                  bytes_text(idle), decay),
      "this process's figures; docs/decisions/0018-scavenger.md"};
}

Answer near_limit(const Patient& patient) {
  const auto own = static_cast<std::int64_t>(option(patient, "memory_limit"));
  const std::int64_t limit = own != 0 ? own : static_cast<std::int64_t>(patient.limit.bytes);
  const std::int64_t held = retained(patient) + total(patient, "cached_bytes");
  if (limit == 0 || held < kWorthBytes || held < limit / 8) return std::nullopt;
  if (static_cast<std::int64_t>(patient.reading->ledger.rss) < limit / 4 * 3) return std::nullopt;
  return Finding{
      fmt::format("{} are kept for reuse, under a limit of {}", bytes_text(held), bytes_text(limit)),
      "freed memory that is kept counts toward the limit like memory in use",
      fmt::format("hakmem purge {}; HAKMEM_DECAY=100ms at the next start", patient.pid),
      fmt::format("{} of EMPTY slots and retained blocks go back at once, for page faults when they are needed again",
                  bytes_text(retained(patient))),
      "this process's figures; docs/decisions/0019-memory-limit.md"};
}

Answer kept_for_ever(const Patient& patient) {
  const std::int64_t held = retained(patient);
  if (option(patient, "decay") != kDurationNeverMs || held < kWorthBytes) return std::nullopt;
  return Finding{
      fmt::format("{} are kept for ever", bytes_text(held)), "HAKMEM_DECAY=never: freed memory does not go back by time",
      fmt::format("hakmem purge {}; unset HAKMEM_DECAY", patient.pid),
      fmt::format("{} go back at once, and later ones within a second", bytes_text(held)),
      "this process's figures; docs/decisions/0006-retained-memory.md"};
}

Answer refused_memory(const Patient& patient) {
  const std::uint64_t times = patient.reading->page.total("shared_fail");
  if (times == 0) return std::nullopt;
  return Finding{
      fmt::format("the system refused memory {}", counted(times, "time")),
      "the pool found no slots, and the system gave none: a limit of address space (ulimit -v), overcommit, or no memory",
      fmt::format("grep -E 'address space|data size' /proc/{}/limits", patient.pid), "shows the limit that is too small",
      "this process's figure shared_fail; setrlimit(2)"};
}

Answer locked_memory(const Patient& patient) {
  const std::uint64_t times = patient.reading->page.total("purge_refusals");
  if (times == 0) return std::nullopt;
  return Finding{
      fmt::format("the system did not take memory back {}", counted(times, "time")),
      "pages that are locked (mlock, mlockall) cannot be given back with madvise",
      fmt::format("grep VmLck /proc/{}/status", patient.pid),
      "shows how much is locked; mlock of what must not be swapped, instead of mlockall, lets the rest go back",
      "this process's figure purge_refusals; madvise(2), MADV_DONTNEED: EINVAL for locked pages"};
}

Answer sized_mismatch(const Patient& patient) {
  const std::uint64_t times = patient.reading->page.total("sized_mismatches");
  if (times == 0) return std::nullopt;
  return Finding{
      fmt::format("{} a size that is not the block's", counted(times, "free named", "frees named")),
      "operator delete(p, size) or free_sized with a wrong size: the program deletes by a type it did not allocate",
      "hakmem run --hardened -- PROGRAM", "the first such free ends the program, with a backtrace",
      "docs/THREAT-MODEL.md"};
}

Answer contended_locks(const Patient& patient) {
  const std::uint64_t taken = counter(patient, "locks_acquired");
  const std::uint64_t contended = counter(patient, "locks_contended");
  if (taken < kWorthLocks || contended < taken / 20) return std::nullopt;
  return Finding{
      fmt::format("{:.0f} % of {} locks were held by another thread", 100.0 * static_cast<double>(contended) /
                  static_cast<double>(taken), count_text(taken)),
      "threads meet at the pool or at each other's caches; stacks that are too small for what they move make visits"
      " frequent",
      "HAKMEM_CACHE_LIMIT=256MiB hakmem run -- PROGRAM",
      "fewer visits of the pool, for as much more memory in caches at most",
      "this process's figures; docs/decisions/0007-cache-growth.md (large_2t: contended locks nearly gone with more budget)"};
}

}  // namespace

std::vector<Rule> figure_rules() {
  return {
      {"HAK012", "fragmentation", Needs::kFigures, fragmentation},
      {"HAK013", "small-messages", Needs::kFigures, small_messages},
      {"HAK014", "nobody-gives-back", Needs::kFigures, nobody_gives_back},
      {"HAK015", "near-limit", Needs::kFigures, near_limit},
      {"HAK016", "kept-for-ever", Needs::kFigures, kept_for_ever},
      {"HAK017", "refused-memory", Needs::kFigures, refused_memory},
      {"HAK018", "locked-memory", Needs::kFigures, locked_memory},
      {"HAK019", "sized-mismatch", Needs::kFigures, sized_mismatch},
      {"HAK020", "contended-locks", Needs::kFigures, contended_locks},
  };
}

}  // namespace hakmem::tools
