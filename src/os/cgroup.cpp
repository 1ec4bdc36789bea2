#include "os/cgroup.h"

#include "os/line_reader.h"

namespace hakmem::os {

namespace {

constexpr Bytes kNoLimit{SIZE_MAX};
// Version 1 says the largest multiple of a page; nobody has an exabyte.
constexpr uint64_t kUnlimitedFrom = uint64_t{1} << 60;
constexpr size_t kPathMax = 512;

// A path put together; empty when it does not fit.
class Path {
 public:
  Path(TextView mount, TextView group, TextView file) {
    const TextView parts[] = {mount, group, "/", file};
    for (const TextView& part : parts) {
      if (length_ + part.size >= kPathMax) {
        length_ = 0;
        break;
      }
      for (size_t i = 0; i < part.size; ++i) text_[length_++] = part.data[i];
    }
    text_[length_] = '\0';
  }
  const char* c_str() const { return text_; }

 private:
  char text_[kPathMax];
  size_t length_ = 0;
};

Bytes least(Bytes a, Bytes b) { return a < b ? a : b; }

Bytes limit_in(TextView mount, TextView group, TextView file) {
  LineReader reader(Path(mount, group, file).c_str());
  TextView line;
  return reader.next(&line) ? parse_cgroup_limit(line) : kNoLimit;
}

// Of the group and of all around it: each limits what lies in it. In a container the path may be the
// host's, and then the mount point itself is the group.
Bytes limit_of(const CgroupLine& line) {
  TextView group = line.path;
  Bytes limit = kNoLimit;
  for (;;) {
    while (group.size != 0 && group.data[group.size - 1] == '/') --group.size;
    if (line.is_version_2) {
      limit = least(limit, limit_in("/sys/fs/cgroup", group, "memory.max"));
      limit = least(limit, limit_in("/sys/fs/cgroup", group, "memory.high"));
    } else {
      limit = least(limit, limit_in("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    }
    if (group.size == 0) return limit;
    while (group.size != 0 && group.data[group.size - 1] != '/') --group.size;
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

Bytes cgroup_memory_limit() {
  Bytes limit = kNoLimit;
  LineReader reader("/proc/self/cgroup");
  TextView text;
  while (reader.next(&text)) {
    if (const CgroupLine line = parse_cgroup_line(text); line.is_memory) {
      limit = least(limit, limit_of(line));
    }
  }
  return limit;
}

}  // namespace hakmem::os
