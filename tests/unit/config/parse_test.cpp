#include "config/parse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace hakmem {
namespace {

enum class Outcome { ok, refused, too_large };

Outcome outcome(const Parsed& parsed) {
  if (parsed.ok) return Outcome::ok;
  EXPECT_EQ(parsed.value, 0U);
  return parsed.too_large ? Outcome::too_large : Outcome::refused;
}

TextView view(const std::string& text) { return {text.data(), text.size()}; }

void expect_value(ValueType type, const std::string& text, uint64_t expected) {
  const Parsed parsed = parse_value(type, view(text));
  EXPECT_TRUE(parsed.ok) << text;
  EXPECT_FALSE(parsed.too_large) << text;
  EXPECT_EQ(parsed.value, expected) << text;
}

void expect_outcome(ValueType type, const std::string& text, Outcome expected) {
  EXPECT_EQ(outcome(parse_value(type, view(text))), expected) << text;
}

// All ways to write a word in small and capital letters.
std::vector<std::string> all_cases(const std::string& word) {
  std::vector<std::string> result = {""};
  for (const char c : word) {
    std::vector<std::string> longer;
    for (const std::string& start : result) {
      longer.push_back(start + c);
      if (c >= 'a' && c <= 'z') longer.push_back(start + static_cast<char>(c - 'a' + 'A'));
    }
    result = longer;
  }
  return result;
}

constexpr ValueType kAllTypes[] = {ValueType::boolean,  ValueType::auto_switch, ValueType::size,    ValueType::auto_size,
                                   ValueType::duration, ValueType::percent, ValueType::integer};

static_assert(parse_size("1.5GiB").value == 1'610'612'736, "the parser runs at compile time");

TEST(Parse, NoTypeTakesEmptyTextSpacesSignsOrGarbage) {
  const std::string texts[] = {"",     " ",  " 1",   "1 ",    "-1",  "+1",   "0x10",
                               ".5",   "1.", "1..5", "1.5.5", "1e3", "1,5k", "1 k",
                               "1.5x", ".",  "%",    "k",     "ms",  "12q"};
  for (const ValueType type : kAllTypes) {
    for (const std::string& text : texts) expect_outcome(type, text, Outcome::refused);
    expect_outcome(type, std::string("1\0", 2), Outcome::refused);
  }
}

TEST(Parse, TheTextEndsWhereItsLengthSays) {
  EXPECT_EQ(parse_size({"64kXXXX", 3}).value, uint64_t{64} << 10);
  EXPECT_EQ(parse_size({"64k", 2}).value, 64U);
  EXPECT_EQ(parse_bool({"only", 2}).value, 1U);
  EXPECT_EQ(parse_duration_ms({"2s!", 2}).value, 2000U);
  EXPECT_FALSE(parse_size({"64k", 0}).ok);
}

TEST(ParseBool, EveryWordInEveryCase) {
  for (const char* word : {"1", "true", "yes", "on"}) {
    for (const std::string& text : all_cases(word)) expect_value(ValueType::boolean, text, 1);
  }
  for (const char* word : {"0", "false", "no", "off"}) {
    for (const std::string& text : all_cases(word)) expect_value(ValueType::boolean, text, 0);
  }
}

TEST(ParseAutoSwitch, IsASwitchOrAuto) {
  for (const std::string& text : all_cases("auto")) expect_value(ValueType::auto_switch, text, 1);
  for (const std::string& text : all_cases("automatic")) {
    expect_value(ValueType::auto_switch, text, 1);
  }
  for (const char* text : {"1", "TRUE", "yes", "On"}) expect_value(ValueType::auto_switch, text, 2);
  for (const char* text : {"0", "false", "NO", "off"}) expect_value(ValueType::auto_switch, text, 0);
  for (const char* text : {"2", "aut", "autos", "auto "}) {
    expect_outcome(ValueType::auto_switch, text, Outcome::refused);
  }
}

TEST(ParseBool, RefusesTheRest) {
  for (const char* text :
       {"2", "00", "01", "t", "y", "n", "o", "of", "onn", "enable", "1k", "1s"}) {
    expect_outcome(ValueType::boolean, text, Outcome::refused);
  }
}

TEST(ParseSize, EveryUnitInEveryCase) {
  const char prefixes[] = {'k', 'm', 'g', 't'};
  for (unsigned i = 0; i < 4; ++i) {
    const uint64_t unit = uint64_t{1} << (10 * (i + 1));
    for (const char* tail : {"", "b", "ib"}) {
      for (const std::string& suffix : all_cases(prefixes[i] + std::string(tail))) {
        for (const ValueType type : {ValueType::size, ValueType::auto_size}) {
          expect_value(type, "0" + suffix, 0);
          expect_value(type, "1" + suffix, unit);
          expect_value(type, "64" + suffix, 64 * unit);
          expect_value(type, "1.5" + suffix, unit + unit / 2);
          expect_value(type, "007.250" + suffix, 7 * unit + unit / 4);
        }
      }
    }
  }
  expect_value(ValueType::size, "0", 0);
  expect_value(ValueType::size, "4096", 4096);
  expect_value(ValueType::size, "4096B", 4096);
  expect_value(ValueType::size, "4096b", 4096);
}

TEST(ParseSize, RefusesEveryOtherUnitOfUpToThreeLetters) {
  std::vector<std::string> suffixes = {""};
  for (size_t i = 0; i < suffixes.size(); ++i) {
    if (suffixes[i].size() == 3) continue;
    for (char c = 'a'; c <= 'z'; ++c) suffixes.push_back(suffixes[i] + c);
  }
  size_t accepted = 0;
  for (const std::string& suffix : suffixes) {
    if (parse_size(view("3" + suffix)).ok) ++accepted;
  }
  EXPECT_EQ(accepted, 14U);  // "", b, and {k, m, g, t} with "", b, ib
}

TEST(ParseSize, FractionsAreExactAndRoundDown) {
  expect_value(ValueType::size, "0.1k", 102);
  expect_value(ValueType::size, "1.1GiB", 1'181'116'006);
  expect_value(ValueType::size, "0.999999999999999999999999999999t", (uint64_t{1} << 40) - 1);
  expect_value(ValueType::size, "1.000000000000000000000000000000k", 1024);
  expect_value(ValueType::size, "0.0009765625k", 1);  // exactly one byte
  // A tenth of 2^40 is not exact in binary; as a double the product would be off in the last digit.
  expect_value(ValueType::size, "9007199254740993", 9'007'199'254'740'993);
  for (uint64_t i = 0; i < 1000; ++i) {
    std::string digits = std::to_string(i);
    digits.insert(0, 3 - digits.size(), '0');
    expect_value(ValueType::size, "2." + digits + "M", (2'000 + i) * (1 << 20) / 1000);
  }
}

TEST(ParseSize, AFractionThatWouldVanishOrHasNoUnitIsRefused) {
  expect_outcome(ValueType::size, "0.0001k", Outcome::refused);
  expect_outcome(ValueType::size, "0.0009765624k", Outcome::refused);
  expect_outcome(ValueType::size, "1.5", Outcome::refused);
  expect_outcome(ValueType::size, "1.5B", Outcome::refused);
  expect_outcome(ValueType::size, "1.0", Outcome::refused);
  expect_value(ValueType::size, "0.0k", 0);
}

TEST(ParseSize, Overflow) {
  expect_value(ValueType::size, "18446744073709551615", UINT64_MAX);
  expect_value(ValueType::size, "00018446744073709551615", UINT64_MAX);
  expect_outcome(ValueType::size, "18446744073709551616", Outcome::too_large);
  expect_outcome(ValueType::size, "184467440737095516150", Outcome::too_large);
  expect_outcome(ValueType::size, std::string(400, '9'), Outcome::too_large);
  expect_outcome(ValueType::size, std::string(400, '9') + "q", Outcome::refused);
  const char* const units[] = {"", "k", "m", "g", "t"};
  for (unsigned i = 1; i <= 4; ++i) {
    const uint64_t most = UINT64_MAX >> (10 * i);
    expect_value(ValueType::size, std::to_string(most) + units[i], most << (10 * i));
    expect_outcome(ValueType::size, std::to_string(most + 1) + units[i], Outcome::too_large);
  }
  // The last unit and all but nothing of the next: the sum is checked, not the product alone.
  expect_value(ValueType::size, "16777215.99999999999999t", UINT64_MAX);
  expect_value(ValueType::size, "18014398509481983.9990234375k", UINT64_MAX);
  expect_outcome(ValueType::size, "18014398509481984.0k", Outcome::too_large);
}

TEST(ParseAutoSize, TheWordMeansZero) {
  for (const std::string& text : all_cases("auto")) expect_value(ValueType::auto_size, text, 0);
  for (const std::string& text : all_cases("automatic")) {
    expect_value(ValueType::auto_size, text, 0);
  }
  expect_outcome(ValueType::size, "automatic", Outcome::refused);
  expect_outcome(ValueType::auto_size, "automatics", Outcome::refused);
  expect_outcome(ValueType::auto_size, "auto4k", Outcome::refused);
}

TEST(ParseDuration, EveryUnitInEveryCase) {
  const struct {
    const char* suffix;
    uint64_t unit_ms;
  } kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  for (const auto& [word, unit_ms] : kUnits) {
    for (const std::string& suffix : all_cases(word)) {
      expect_value(ValueType::duration, "0" + suffix, 0);
      expect_value(ValueType::duration, "1" + suffix, unit_ms);
      expect_value(ValueType::duration, "500" + suffix, 500 * unit_ms);
      if (unit_ms > 1) expect_value(ValueType::duration, "1.5" + suffix, unit_ms * 3 / 2);
    }
  }
  expect_value(ValueType::duration, "0", 0);
  for (const std::string& text : all_cases("never")) {
    expect_value(ValueType::duration, text, kDurationNeverMs);
  }
}

TEST(ParseDuration, EveryMillisecondOfASecond) {
  for (uint64_t i = 0; i < 1000; ++i) {
    std::string digits = std::to_string(i);
    digits.insert(0, 3 - digits.size(), '0');
    expect_value(ValueType::duration, "1." + digits + "s", 1000 + i);
    expect_value(ValueType::duration, "1." + digits + "9s", 1000 + i);
  }
}

TEST(ParseDuration, RefusesMissingAndUnknownUnitsAndWhatWouldVanish) {
  for (const char* text : {"1", "500", "00", "1.5", "0.0", "1.5ms", "0.0009s", "1us", "1ns", "1sec",
                           "1d", "1min", "never1", "nev", "1never", "s"}) {
    expect_outcome(ValueType::duration, text, Outcome::refused);
  }
  expect_value(ValueType::duration, "0.001s", 1);
}

TEST(ParseDuration, OverflowAndTheNumberThatWouldMeanNever) {
  expect_value(ValueType::duration, "18446744073709551614ms", UINT64_MAX - 1);
  expect_outcome(ValueType::duration, "18446744073709551615ms", Outcome::too_large);
  expect_outcome(ValueType::duration, "18446744073709551616ms", Outcome::too_large);
  expect_outcome(ValueType::duration, "18446744073709551.615s", Outcome::too_large);
  expect_value(ValueType::duration, "18446744073709551.614s", UINT64_MAX - 1);
  // The whole seconds fit, and the fraction on top of them does not.
  expect_outcome(ValueType::duration, "18446744073709551.616s", Outcome::too_large);
  expect_outcome(ValueType::duration, "18446744073709551.999s", Outcome::too_large);
  expect_outcome(ValueType::duration, "18446744073709552s", Outcome::too_large);
  expect_outcome(ValueType::duration, std::string(100, '9') + "h", Outcome::too_large);
}

TEST(ParsePercent, WithAndWithoutTheSign) {
  expect_value(ValueType::percent, "0", 0);
  expect_value(ValueType::percent, "0%", 0);
  expect_value(ValueType::percent, "0.0", 0);
  expect_value(ValueType::percent, "25%", 250'000);
  expect_value(ValueType::percent, "0.25", 250'000);
  expect_value(ValueType::percent, "12.5%", 125'000);
  expect_value(ValueType::percent, "0.000001", 1);
  expect_value(ValueType::percent, "0.0001%", 1);
  expect_value(ValueType::percent, "100%", kPpmPerUnit);
  expect_value(ValueType::percent, "1.0", kPpmPerUnit);
  expect_value(ValueType::percent, "0.3333333333", 333'333);
  // Whether more than all makes sense, the range of the option says.
  expect_value(ValueType::percent, "250%", 2'500'000);
  for (uint64_t i = 0; i <= 100; ++i) {
    expect_value(ValueType::percent, std::to_string(i) + "%", i * 10'000);
  }
}

TEST(ParsePercent, RefusesWhatHasTwoReadings) {
  for (const char* text :
       {"1", "25", "2.5", "1.000001", "00", "25%%", "% 25", "0.25p", "0.0000001", "0.00001%"}) {
    expect_outcome(ValueType::percent, text, Outcome::refused);
  }
  expect_outcome(ValueType::percent, "99999999999999999999.5", Outcome::refused);
  expect_outcome(ValueType::percent, "18446744073709551615.5", Outcome::refused);
}

TEST(ParsePercent, Overflow) {
  expect_value(ValueType::percent, "1844674407370955%", 18'446'744'073'709'550'000U);
  expect_outcome(ValueType::percent, "1844674407370956%", Outcome::too_large);
  expect_outcome(ValueType::percent, "99999999999999999999%", Outcome::too_large);
}

TEST(ParseInteger, DigitsOnly) {
  expect_value(ValueType::integer, "0", 0);
  expect_value(ValueType::integer, "007", 7);
  expect_value(ValueType::integer, "18446744073709551615", UINT64_MAX);
  expect_outcome(ValueType::integer, "18446744073709551616", Outcome::too_large);
  for (const char* text : {"1k", "1.0", "1%", "on", "1s"}) {
    expect_outcome(ValueType::integer, text, Outcome::refused);
  }
}

TEST(Parse, EachTypeHasAWordAndItsExamplesParse) {
  for (const ValueType type : kAllTypes) {
    EXPECT_GT(TextView(value_type_name(type)).size, 0U);
    const std::string examples = value_type_examples(type);
    size_t start = 0;
    while (start < examples.size()) {
      const size_t end = std::min(examples.find(", ", start), examples.size());
      EXPECT_TRUE(parse_value(type, view(examples.substr(start, end - start))).ok) << examples;
      start = end + 2;
    }
  }
}

}  // namespace
}  // namespace hakmem
