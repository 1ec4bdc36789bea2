#include "os/cgroup.h"

#include "os/line_reader.h"

namespace hakmem::os {

namespace {

constexpr Bytes kNoLimit{SIZE_MAX};
// Version 1 says the largest multiple of a page; nobody has an exabyte.
constexpr uint64_t kUnlimitedFrom = uint64_t{1} << 60;
constexpr size_t kPathMax = 512;

// For a LineReader; the path is put together here, and leaves the stack again. Empty when it does not fit.
[[gnu::noinline]] long open_path(TextView root, TextView mount, TextView group, TextView file) {
  const TextView parts[] = {root, mount, group, file};
  char path[kPathMax];
  size_t length = 0;
  for (const TextView& part : parts) {
    if (length + part.size >= kPathMax) {
      length = 0;
      break;
    }
    for (size_t i = 0; i < part.size; ++i) path[length++] = part.data[i];
  }
  path[length] = '\0';
  return LineReader::open(path);
}

// The digits that the text begins with.
uint64_t leading_number(TextView text) {
  uint64_t value = 0;
  for (size_t i = 0; i < text.size && is_digit(text.data[i]); ++i) {
    value = value * 10 + static_cast<uint64_t>(text.data[i] - '0');
  }
  return value;
}

// The files of one version.
struct Names {
  TextView mount;
  TextView limits[2];
  TextView usage;
  // Of memory.stat, with what lies in groups inside this one.
  TextView file_pages[2];
  TextView hits;
  TextView hit_rows[2];  // none: the file is a number
};
constexpr Names kVersion1 = {"/sys/fs/cgroup/memory",
                             {"/memory.limit_in_bytes", {}},
                             "/memory.usage_in_bytes",
                             {"total_inactive_file ", "total_active_file "},
                             "/memory.failcnt",
                             {}};
constexpr Names kVersion2 = {"/sys/fs/cgroup",
                             {"/memory.max", "/memory.high"},
                             "/memory.current",
                             {"inactive_file ", "active_file "},
                             "/memory.events",
                             {"max ", "high "}};

// One group of one version. No function here is inlined into another: each has a file's buffer on its
// stack, and the stack is the program's.
class Group {
 public:
  Group(TextView root, const Names& names, TextView path) : root_(root), names_(names), path_(path) {}

  void add_to(MemoryReport* report) const {
    Bytes limit = kNoLimit;
    for (const TextView& file : names_.limits) {
      if (file.size == 0) continue;
      const Bytes found = limit_in(file);
      if (found < limit) limit = found;
    }
    if (limit == kNoLimit) return;
    if (limit < report->limit) report->limit = limit;
    const uint32_t percent = percent_used(limit);
    if (percent > report->full_percent) report->full_percent = percent;
    report->limit_hits += sum_of(names_.hits, names_.hit_rows);
  }

  // "some avg10=1.23 avg60=..."; false where there is no such file.
  [[gnu::noinline]] bool read_stalls(TextView file, MemoryReport* report) const {
    LineReader reader(open_path(root_, names_.mount, path_, file));
    TextView line;
    const TextView head = "some avg10=";
    if (!reader.next(&line) || !starts_with(line, head)) return false;
    report->knows_stalls = true;
    report->stalled_percent = static_cast<uint32_t>(leading_number(line.from(head.size)));
    return true;
  }

 private:
  [[gnu::noinline]] Bytes limit_in(TextView file) const {
    LineReader reader(open_path(root_, names_.mount, path_, file));
    TextView line;
    return reader.next(&line) ? parse_cgroup_limit(line) : kNoLimit;
  }

  // Of the rows that begin so, or, where the first is empty, of every line.
  [[gnu::noinline]] uint64_t sum_of(TextView file, const TextView (&rows)[2]) const {
    LineReader reader(open_path(root_, names_.mount, path_, file));
    TextView line;
    uint64_t sum = 0;
    while (reader.next(&line)) {
      if (rows[0].size == 0) sum += leading_number(line);
      for (const TextView& row : rows) {
        if (row.size != 0 && starts_with(line, row)) sum += leading_number(line.from(row.size));
      }
    }
    return sum;
  }

  // memory.stat costs the kernel most, and is not asked for while half is free.
  uint32_t percent_used(Bytes limit) const {
    const size_t hundredth = limit.count() / 100 + 1;
    const uint64_t used = sum_of(names_.usage, {});
    if (used < limit.count() / 2) return 0;
    const uint64_t files = sum_of("/memory.stat", names_.file_pages);
    return used > files ? static_cast<uint32_t>((used - files) / hundredth) : 0;
  }

  TextView root_;
  const Names& names_;
  TextView path_;
};

// The group and all around it: each limits what lies in it. In a container the path may be the host's, and
// then the mount point itself is the group.
void add_groups(TextView root, const CgroupLine& line, MemoryReport* report) {
  const Names& names = line.is_version_2 ? kVersion2 : kVersion1;
  TextView path = line.path;
  for (;;) {
    while (path.size != 0 && path.data[path.size - 1] == '/') --path.size;
    const Group group(root, names, path);
    group.add_to(report);
    // The innermost that has the file.
    if (line.is_version_2 && !report->knows_stalls) group.read_stalls("/memory.pressure", report);
    if (path.size == 0) return;
    while (path.size != 0 && path.data[path.size - 1] != '/') --path.size;
  }
}

}  // namespace

Bytes parse_cgroup_limit(TextView text) {
  uint64_t value = 0;
  for (size_t i = 0; i < text.size; ++i) {
    if (!is_digit(text.data[i])) return kNoLimit;
    value = value * 10 + static_cast<uint64_t>(text.data[i] - '0');
    if (value >= kUnlimitedFrom) return kNoLimit;
  }
  return text.size == 0 ? kNoLimit : Bytes(value);
}

CgroupLine parse_cgroup_line(TextView line) {
  CgroupLine result;
  size_t first = 0;
  while (first < line.size && line.data[first] != ':') ++first;
  size_t second = first + 1;
  while (second < line.size && line.data[second] != ':') ++second;
  if (second >= line.size) return result;
  result.path = line.from(second + 1);
  result.is_version_2 = second == first + 1;
  result.is_memory = result.is_version_2;
  // Controllers are separated by commas.
  for (size_t begin = first + 1; begin < second;) {
    size_t end = begin;
    while (end < second && line.data[end] != ',') ++end;
    if (equal(TextView(line.data + begin, end - begin), "memory")) result.is_memory = true;
    begin = end + 1;
  }
  return result;
}

MemoryReport read_memory_report(TextView root) {
  MemoryReport report;
  {
    LineReader reader(open_path(root, "/proc/self/cgroup", "", ""));
    TextView text;
    while (reader.next(&text)) {
      if (const CgroupLine line = parse_cgroup_line(text); line.is_memory) {
        add_groups(root, line, &report);
      }
    }
  }
  if (!report.knows_stalls) {
    constexpr Names kMachine = {};
    Group(root, kMachine, "").read_stalls("/proc/pressure/memory", &report);
  }
  return report;
}

}  // namespace hakmem::os
