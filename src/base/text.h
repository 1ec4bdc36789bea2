// base/text.h: text without a heap: a view, a line builder, comparisons.
//
// Responsibility  Build one line of at most 512 bytes on the stack; compare short texts.
// Contract        Never allocates, never fails: a line too long is cut and then ends in "...".
//                 Touches no errno and no global, so it is safe in a signal handler and before any
//                 constructor.
// Observable      LineWriter::truncated().
// Composable      Needs nothing. Writes nothing to the outside: os/ takes data() and size().
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem {

// A text that somebody else owns; not necessarily followed by a NUL.
struct TextView {
  const char* data = "";
  size_t size = 0;

  constexpr TextView() = default;
  constexpr TextView(const char* text, size_t length) : data(text), size(length) {}
  // Implicit, so that a literal can be passed where a text is asked for. Null counts as empty.
  constexpr TextView(const char* text) : data(text == nullptr ? "" : text) {
    while (data[size] != '\0') ++size;
  }

  // The text from `start` on; `start` is at most size.
  constexpr TextView from(size_t start) const { return {data + start, size - start}; }
};

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// ASCII only: the locale of the program must not change how options are read.
constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool equal(TextView a, TextView b) {
  if (a.size != b.size) return false;
  for (size_t i = 0; i < a.size; ++i) {
    if (a.data[i] != b.data[i]) return false;
  }
  return true;
}

constexpr bool equal_ignoring_case(TextView a, TextView b) {
  if (a.size != b.size) return false;
  for (size_t i = 0; i < a.size; ++i) {
    if (to_lower(a.data[i]) != to_lower(b.data[i])) return false;
  }
  return true;
}

constexpr bool starts_with(TextView text, TextView prefix) {
  return text.size >= prefix.size && equal({text.data, prefix.size}, prefix);
}

// Longer texts are "far" from everything: the distance works on a few fixed rows on the stack.
inline constexpr size_t kEditDistanceLengthMax = 48;

// Insertions, deletions, substitutions and swaps of neighbours that turn a into b: the restricted
// Damerau-Levenshtein distance, where a swapped pair is not edited again. Above `limit`, or for
// longer texts, the answer is limit + 1.
size_t edit_distance(TextView a, TextView b, size_t limit);

// A line under construction. An append returns the writer: a message reads as one expression.
class LineWriter {
 public:
  // One pipe write of up to PIPE_BUF (>= 512) bytes is atomic: lines of several threads do not mix.
  static constexpr size_t kCapacity = 512;

  LineWriter() : size_(0), truncated_(false) {}  // text_ stays raw: only what is written is read

  LineWriter& append(TextView text);
  LineWriter& append(const char* text) { return append(TextView(text)); }
  LineWriter& append(char c);
  // A number says how it is to be written; without this an int would silently become a char.
  template <typename T>
  LineWriter& append(T) = delete;

  LineWriter& append_decimal(uint64_t value);
  LineWriter& append_signed(int64_t value);
  LineWriter& append_hex(uint64_t value);  // 0x1f, no leading zeros
  // "512 B", "2 MiB" when exact; otherwise one decimal, to the nearest: "1.5 MiB", "2.0 MiB".
  LineWriter& append_bytes(uint64_t size_bytes);
  // Text from outside: control and non-ASCII bytes become '?', and after `length_max` bytes "..."
  // stands for the rest.
  LineWriter& append_untrusted(TextView text, size_t length_max);

  // Ends the line, and is called last; room for the newline is always kept.
  LineWriter& end_line();

  void clear() {
    size_ = 0;
    truncated_ = false;
  }

  const char* data() const { return text_; }
  size_t size() const { return size_; }
  bool truncated() const { return truncated_; }
  TextView view() const { return {text_, size_}; }

 private:
  char text_[kCapacity];
  size_t size_;  // below kCapacity until end_line()
  bool truncated_;
};

}  // namespace hakmem
