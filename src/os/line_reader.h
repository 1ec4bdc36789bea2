// os/line_reader.h: a text file, line by line.
//
// Responsibility  Read the small files by which the kernel answers questions.
// Contract        No allocation, errno untouched; the descriptor lives as long as the reader. A file that
//                 cannot be opened has no lines; a long line is cut.
// Observable      Nothing.
// Composable      Raw system calls, base/text. Used by os/memory_map, os/cgroup.
#pragma once

#include <cstddef>

#include "base/text.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

class LineReader {
 public:
  explicit LineReader(const char* path) : LineReader(open(path)) {}
  // Of a file that open() gave, for who does not want the path on the same stack.
  explicit LineReader(long descriptor) : descriptor_(descriptor) {}
  ~LineReader() {
    if (descriptor_ >= 0) raw_syscall(SYS_close, descriptor_);
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // A descriptor, or a negative errno.
  static long open(const char* path) {
    return raw_syscall(SYS_openat, kCurrentDirectory, reinterpret_cast<long>(path), kCloseOnExec);
  }

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

  static constexpr long kCurrentDirectory = -100;
  static constexpr long kCloseOnExec = 0x80000;

  long descriptor_;
  size_t position_ = 0;
  size_t filled_ = 0;
  char line_[256];
  char buffer_[512];
};

}  // namespace hakmem::os
