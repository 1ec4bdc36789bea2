// fuzz/operations.h: an input's bytes as operations, and how many there were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace fuzz {

// Six bytes an operation; what is left over is no operation.
struct Operation {
  uint8_t what;
  uint8_t kind;
  uint32_t number;
};
inline constexpr size_t kOperationBytes = 6;

class Operations {
 public:
  Operations(const uint8_t* bytes, size_t size) : next_(bytes), left_(size / kOperationBytes) {}

  bool next(Operation* out) {
    if (left_ == 0) return false;
    --left_;
    out->what = next_[0];
    out->kind = next_[1];
    out->number = static_cast<uint32_t>(next_[2] | next_[3] << 8 | next_[4] << 16) |
                  static_cast<uint32_t>(next_[5]) << 24;
    next_ += kOperationBytes;
    return true;
  }

 private:
  const uint8_t* next_;
  size_t left_;
};

// Printed when the process ends: fuzz/run.py adds them up.
class Tally {
 public:
  explicit Tally(const char* name) {
    name_ = name;
    atexit([] {
      fprintf(stderr, "%s: %llu operations\n", name_, static_cast<unsigned long long>(count_));
    });
  }
  void add(uint64_t operations) { count_ += operations; }

 private:
  static inline const char* name_ = nullptr;
  static inline uint64_t count_ = 0;
};

[[noreturn]] inline void violation(const char* what) {
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

}  // namespace fuzz
