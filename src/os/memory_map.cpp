#include "os/memory_map.h"

#include <cstddef>

#include "os/line_reader.h"

namespace hakmem::os {

namespace {

// Moves `at` behind the hexadecimal number there.
uintptr_t parse_hex(TextView text, size_t& at) {
  uintptr_t value = 0;
  for (; at < text.size; ++at) {
    const char c = text.data[at];
    if (is_digit(c)) {
      value = value * 16 + static_cast<uintptr_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<uintptr_t>(c - 'a' + 10);
    } else {
      break;
    }
  }
  return value;
}

}  // namespace

// A line is "begin-end perms offset device inode   name".
MappingInfo mapping_at(uintptr_t address) {
  LineReader maps("/proc/self/maps");
  TextView line;
  while (maps.next(&line)) {
    size_t at = 0;
    MappingInfo info;
    info.begin = parse_hex(line, at);
    ++at;
    info.end = parse_hex(line, at);
    if (address < info.begin || address >= info.end) continue;
    info.found = true;
    const TextView permissions = line.from(at < line.size ? at + 1 : at);
    info.readable_and_writable = starts_with(permissions, "rw");
    const TextView name_end = line.size >= 6 ? line.from(line.size - 6) : TextView();
    info.is_program_heap = equal(name_end, "[heap]");
    // An anonymous line ends in its inode, 0, and blanks.
    size_t last = line.size;
    while (last > 0 && line.data[last - 1] == ' ') --last;
    info.is_anonymous = last >= 2 && line.data[last - 1] == '0' && line.data[last - 2] == ' ';
    return info;
  }
  return MappingInfo{};
}

}  // namespace hakmem::os
