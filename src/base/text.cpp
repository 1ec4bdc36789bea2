#include "base/text.h"

namespace hakmem {

namespace {

constexpr size_t kTextMax = LineWriter::kCapacity - 1;  // the last byte is the newline's

constexpr size_t min_of(size_t a, size_t b) { return a < b ? a : b; }

}  // namespace

size_t edit_distance(TextView a, TextView b, size_t limit) {
  if (a.size > kEditDistanceLengthMax || b.size > kEditDistanceLengthMax) return limit + 1;
  // Three rows of the usual table, reused in turn; a swap looks back two rows.
  uint8_t rows[3][kEditDistanceLengthMax + 1];
  uint8_t* two_back = rows[0];
  uint8_t* previous = rows[1];
  uint8_t* current = rows[2];
  for (size_t j = 0; j <= b.size; ++j) previous[j] = static_cast<uint8_t>(j);
  for (size_t i = 1; i <= a.size; ++i) {
    current[0] = static_cast<uint8_t>(i);
    for (size_t j = 1; j <= b.size; ++j) {
      const char from = a.data[i - 1];
      const char to = b.data[j - 1];
      size_t best = previous[j - 1] + (from == to ? 0U : 1U);
      best = min_of(best, previous[j] + 1U);
      best = min_of(best, current[j - 1] + 1U);
      const bool swapped = i > 1 && j > 1 && from == b.data[j - 2] && a.data[i - 2] == to;
      if (swapped) best = min_of(best, two_back[j - 2] + 1U);
      current[j] = static_cast<uint8_t>(best);
    }
    uint8_t* const oldest = two_back;
    two_back = previous;
    previous = current;
    current = oldest;
  }
  return min_of(previous[b.size], limit + 1);
}

LineWriter& LineWriter::append(char c) {
  if (size_ < kTextMax) {
    text_[size_++] = c;
  } else {
    truncated_ = true;
  }
  return *this;
}

LineWriter& LineWriter::append(TextView text) {
  const size_t room = size_ < kTextMax ? kTextMax - size_ : 0;
  const size_t length = min_of(text.size, room);
  for (size_t i = 0; i < length; ++i) text_[size_ + i] = text.data[i];
  size_ += length;
  if (length < text.size) truncated_ = true;
  return *this;
}

LineWriter& LineWriter::append_decimal(uint64_t value) {
  char digits[20];  // UINT64_MAX has 20
  size_t start = sizeof(digits);
  do {
    digits[--start] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return append(TextView(digits + start, sizeof(digits) - start));
}

LineWriter& LineWriter::append_signed(int64_t value) {
  if (value >= 0) return append_decimal(static_cast<uint64_t>(value));
  append('-');
  return append_decimal(0 - static_cast<uint64_t>(value));  // right for INT64_MIN too
}

LineWriter& LineWriter::append_hex(uint64_t value) {
  char digits[16];
  size_t start = sizeof(digits);
  do {
    digits[--start] = "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value != 0);
  append("0x");
  return append(TextView(digits + start, sizeof(digits) - start));
}

LineWriter& LineWriter::append_bytes(uint64_t size_bytes) {
  constexpr char kPrefixes[] = "KMGTPE";
  if (size_bytes < 1024) return append_decimal(size_bytes).append(" B");
  unsigned step = 0;  // UINT64_MAX is just under 16 EiB, so 'E' is the last
  while (step < 5 && (size_bytes >> (10 * (step + 1))) >= 1024) ++step;
  const unsigned shift = 10 * (step + 1);
  uint64_t whole = size_bytes >> shift;
  const uint64_t rest = size_bytes & ((uint64_t{1} << shift) - 1);
  if (rest == 0) return append_decimal(whole).append(' ').append(kPrefixes[step]).append("iB");
  // rest < 2^60, so ten times it and half a unit still fit in 64 bits.
  uint64_t tenths = (rest * 10 + (uint64_t{1} << (shift - 1))) >> shift;
  if (tenths == 10) {
    tenths = 0;
    ++whole;
  }
  if (whole == 1024 && step < 5) {  // 1023.96 KiB reads 1.0 MiB
    whole = 1;
    ++step;
  }
  append_decimal(whole).append('.').append_decimal(tenths);
  return append(' ').append(kPrefixes[step]).append("iB");
}

LineWriter& LineWriter::append_untrusted(TextView text, size_t length_max) {
  const size_t length = min_of(text.size, length_max);
  for (size_t i = 0; i < length; ++i) {
    const char c = text.data[i];
    append(c >= ' ' && c <= '~' ? c : '?');
  }
  return length < text.size ? append("...") : *this;
}

LineWriter& LineWriter::end_line() {
  if (size_ == kCapacity) return *this;  // full, and ended before
  if (truncated_) {
    for (size_t i = 1; i <= 3; ++i) text_[size_ - i] = '.';
  }
  text_[size_++] = '\n';
  return *this;
}

}  // namespace hakmem
