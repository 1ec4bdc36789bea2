#include "base/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace hakmem {
namespace {

std::string str(const LineWriter& line) { return {line.data(), line.size()}; }

TextView view(const std::string& text) { return {text.data(), text.size()}; }

std::string bytes_text(uint64_t size_bytes) {
  LineWriter line;
  return str(line.append_bytes(size_bytes));
}

TEST(Text, ViewMeasuresLiteralsAndTakesNullAsEmpty) {
  static_assert(TextView("abc").size == 3);
  static_assert(TextView("").size == 0);
  EXPECT_EQ(TextView(static_cast<const char*>(nullptr)).size, 0U);
  EXPECT_TRUE(equal(TextView("HAKMEM_X").from(7), "X"));
  EXPECT_EQ(TextView("ab").from(2).size, 0U);
}

TEST(Text, Comparisons) {
  EXPECT_TRUE(equal("", ""));
  EXPECT_TRUE(equal("on", "on"));
  EXPECT_FALSE(equal("on", "On"));
  EXPECT_FALSE(equal("on", "one"));
  EXPECT_TRUE(equal_ignoring_case("GiB", "gIb"));
  EXPECT_FALSE(equal_ignoring_case("GiB", "Gi"));
  // '@' and '[' frame the capitals, '`' and '{' the small letters: 32 apart, but not letters.
  EXPECT_FALSE(equal_ignoring_case("@[", "`{"));
  EXPECT_TRUE(starts_with("HAKMEM_A", "HAKMEM_"));
  EXPECT_TRUE(starts_with("HAKMEM_", "HAKMEM_"));
  EXPECT_FALSE(starts_with("HAKMEM", "HAKMEM_"));
}

TEST(Text, LowerTouchesCapitalsOnly) {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool is_capital = i >= 'A' && i <= 'Z';
    EXPECT_EQ(to_lower(c), is_capital ? static_cast<char>(i + 32) : c) << i;
    EXPECT_EQ(is_digit(c), i >= '0' && i <= '9') << i;
  }
}

TEST(LineWriter, BuildsALine) {
  LineWriter line;
  line.append("free(").append_hex(0x7f00).append("): ").append_decimal(3).append(',');
  line.append_signed(-4).append(' ').append_bytes(1536).append(TextView("xyz", 1)).end_line();
  EXPECT_EQ(str(line), "free(0x7f00): 3,-4 1.5 KiBx\n");
  EXPECT_FALSE(line.truncated());
  line.clear();
  EXPECT_EQ(line.size(), 0U);
  EXPECT_EQ(str(line.append("again").end_line()), "again\n");
}

TEST(LineWriter, NumbersAtTheirLimitsAndAroundEveryPowerOfTwo) {
  std::vector<uint64_t> values = {0, 9, 10, 99, 100, UINT64_MAX};
  for (unsigned shift = 0; shift < 64; ++shift) {
    for (uint64_t delta : {UINT64_MAX, uint64_t{0}, uint64_t{1}}) {
      values.push_back((uint64_t{1} << shift) + delta);
    }
  }
  for (const uint64_t value : values) {
    char hex[32];
    std::snprintf(hex, sizeof(hex), "0x%llx", static_cast<unsigned long long>(value));
    const int64_t as_signed = static_cast<int64_t>(value);
    LineWriter line;
    EXPECT_EQ(str(line.append_decimal(value)), std::to_string(value));
    line.clear();
    EXPECT_EQ(str(line.append_signed(as_signed)), std::to_string(as_signed));
    line.clear();
    EXPECT_EQ(str(line.append_hex(value)), hex);
  }
}

TEST(LineWriter, BytesAreHumanised) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1 KiB");
  EXPECT_EQ(bytes_text(1025), "1.0 KiB");  // not exact, and it shows
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(64 << 10), "64 KiB");
  EXPECT_EQ(bytes_text((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(bytes_text((1 << 20) - 52), "1023.9 KiB");
  EXPECT_EQ(bytes_text(1 << 20), "1 MiB");
  EXPECT_EQ(bytes_text(3 << 19), "1.5 MiB");
  EXPECT_EQ(bytes_text(uint64_t{1} << 30), "1 GiB");
  EXPECT_EQ(bytes_text(uint64_t{128} << 40), "128 TiB");
  EXPECT_EQ(bytes_text(uint64_t{1} << 50), "1 PiB");
  EXPECT_EQ(bytes_text((uint64_t{1} << 60) - 1), "1.0 EiB");
  EXPECT_EQ(bytes_text(uint64_t{1} << 60), "1 EiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16.0 EiB");
}

TEST(LineWriter, EveryTenthOfAMebibyteRoundsToTheNearest) {
  for (uint64_t size_bytes = 1 << 20; size_bytes < (3 << 20); size_bytes += 997) {
    const std::string text = bytes_text(size_bytes);
    const double shown = std::stod(text) * (1 << 20);
    EXPECT_NEAR(shown, static_cast<double>(size_bytes), (1 << 20) / 20.0 + 1) << text;
  }
}

TEST(LineWriter, NeverOverflowsAtAnyLengthAndMarksTheCut) {
  constexpr size_t kTextMax = LineWriter::kCapacity - 1;
  for (size_t length = 0; length <= kTextMax + 10; ++length) {
    const std::string text(length, 'x');
    LineWriter whole;
    whole.append(view(text)).end_line();
    LineWriter single;
    for (const char c : text) single.append(c);
    single.end_line();
    const bool fits = length <= kTextMax;
    const std::string expected = fits ? text + "\n" : std::string(kTextMax - 3, 'x') + "...\n";
    ASSERT_EQ(str(whole), expected);
    ASSERT_EQ(str(single), expected);
    ASSERT_EQ(whole.truncated(), !fits);
    ASSERT_EQ(single.truncated(), !fits);
  }
}

TEST(LineWriter, NumbersAreCutLikeText) {
  for (size_t room = 0; room <= 24; ++room) {
    const std::string filler(LineWriter::kCapacity - 1 - room, 'x');
    LineWriter line;
    line.append(view(filler)).append_decimal(UINT64_MAX);
    EXPECT_EQ(line.truncated(), room < 20);
    EXPECT_EQ(str(line), filler + std::to_string(UINT64_MAX).substr(0, room));
    EXPECT_LT(line.size(), LineWriter::kCapacity);
  }
}

TEST(LineWriter, StaysInBoundsWhenUsedAfterItsEnd) {
  for (size_t length = LineWriter::kCapacity - 4; length <= LineWriter::kCapacity; ++length) {
    LineWriter line;
    line.append(view(std::string(length, 'x')));
    for (int i = 0; i < 5; ++i) {
      line.end_line();
      ASSERT_LE(line.size(), LineWriter::kCapacity);
      ASSERT_EQ(line.data()[line.size() - 1], '\n');
      line.append('y').append("zz").append_decimal(7);
      ASSERT_LE(line.size(), LineWriter::kCapacity);
    }
  }
}

TEST(LineWriter, UntrustedTextStaysOneLineAndShort) {
  LineWriter line;
  line.append_untrusted("a\nb\033[2J\x7f\xc3\xa9~ ", 64);
  EXPECT_EQ(str(line), "a?b?[2J???~ ");
  line.clear();
  EXPECT_EQ(str(line.append_untrusted("12345", 5)), "12345");
  line.clear();
  EXPECT_EQ(str(line.append_untrusted("123456", 5)), "12345...");
}

// The definition, by recursion over prefixes.
size_t slow_distance(const std::string& a, const std::string& b, size_t i, size_t j) {
  if (i == 0 || j == 0) return i + j;
  size_t best = slow_distance(a, b, i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0U : 1U);
  best = std::min(best, slow_distance(a, b, i - 1, j) + 1);
  best = std::min(best, slow_distance(a, b, i, j - 1) + 1);
  if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
    best = std::min(best, slow_distance(a, b, i - 2, j - 2) + 1);
  }
  return best;
}

std::vector<std::string> all_texts(size_t length_max) {
  std::vector<std::string> texts = {""};
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].size() == length_max) continue;
    for (const char c : {'a', 'b', 'c'}) texts.push_back(texts[i] + c);
  }
  return texts;
}

TEST(EditDistance, EqualsItsDefinitionOnAllShortTexts) {
  const std::vector<std::string> texts = all_texts(4);
  for (const std::string& a : texts) {
    for (const std::string& b : texts) {
      const size_t expected = slow_distance(a, b, a.size(), b.size());
      ASSERT_EQ(edit_distance(view(a), view(b), 9), expected) << a << ' ' << b;
      for (size_t limit = 0; limit < 4; ++limit) {
        ASSERT_EQ(edit_distance(view(a), view(b), limit), std::min(expected, limit + 1));
      }
    }
  }
}

TEST(EditDistance, Words) {
  EXPECT_EQ(edit_distance("DECYA", "DECAY", 9), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting", 9), 3U);
  EXPECT_EQ(edit_distance("ca", "abc", 9), 3U);  // restricted: 2 if a swapped pair could be edited
}

TEST(EditDistance, LengthIsBounded) {
  const std::string longest(kEditDistanceLengthMax, 'a');
  const std::string other(kEditDistanceLengthMax, 'b');
  EXPECT_EQ(edit_distance(view(longest), view(longest), 5), 0U);
  EXPECT_EQ(edit_distance(view(longest), view(other), 100), kEditDistanceLengthMax);
  EXPECT_EQ(edit_distance(view(longest), "", 100), kEditDistanceLengthMax);
  const std::string too_long = longest + 'a';
  EXPECT_EQ(edit_distance(view(too_long), view(longest), 5), 6U);
  EXPECT_EQ(edit_distance(view(longest), view(too_long), 5), 6U);
  EXPECT_EQ(edit_distance(view(too_long), view(too_long), 5), 6U);
}

}  // namespace
}  // namespace hakmem
