#include "os/memory_map.h"

#include <cstddef>

#include "base/text.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

constexpr long kCurrentDirectory = -100;
constexpr long kCloseOnExec = 0x80000;

// Reads a file line by line through a small buffer; longer lines are cut.
class LineReader {
 public:
  explicit LineReader(const char* path)
      : descriptor_(raw_syscall(SYS_openat, kCurrentDirectory, reinterpret_cast<long>(path),
                                kCloseOnExec)) {}
  ~LineReader() {
    if (descriptor_ >= 0) raw_syscall(SYS_close, descriptor_);
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool next(TextView* line) {
    size_t length = 0;
    int c;
    while ((c = get()) >= 0 && c != '\n') {
      if (length < sizeof(line_)) line_[length++] = static_cast<char>(c);
    }
    *line = TextView(line_, length);
    return length != 0 || c == '\n';
  }

 private:
  int get() {
    if (position_ == filled_) {
      if (descriptor_ < 0) return -1;
      const long got =
          raw_syscall(SYS_read, descriptor_, reinterpret_cast<long>(buffer_), sizeof(buffer_));
      if (got <= 0) return -1;
      filled_ = static_cast<size_t>(got);
      position_ = 0;
    }
    return static_cast<unsigned char>(buffer_[position_++]);
  }

  long descriptor_;
  size_t position_ = 0;
  size_t filled_ = 0;
  char line_[256];
  char buffer_[1024];
};

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
