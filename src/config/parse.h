// config/parse.h: what a user types, turned into a number.
//
// Responsibility  Read one value: switch, size, duration, percentage, integer.
// Contract        Pure and constexpr: the same code reads options.def when the library is compiled.
//                 The whole text must be the value: no spaces, no sign. Exact, by integers only; a
//                 fraction is rounded down to the unit of the result, and one that would vanish is
//                 refused, since 0 often means something else.
// Observable      Parsed::too_large: well formed, but does not fit.
// Composable      Needs base/text. Knows no option, no environment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/text.h"

namespace hakmem {

struct Parsed {
  bool ok = false;
  bool too_large = false;  // never together with ok
  uint64_t value = 0;      // 0 unless ok
};

inline constexpr uint64_t kDurationNeverMs = UINT64_MAX;
inline constexpr uint64_t kPpmPerUnit = 1'000'000;  // percentages are kept in parts per million

enum class ValueType : uint8_t {
  boolean,    // 0 or 1
  auto_switch,  // an AutoSwitch
  size,       // bytes
  auto_size,  // bytes; 0 is written "automatic"
  duration,   // milliseconds; kDurationNeverMs is written "never"
  percent,    // parts per million
  integer,
};

namespace detail {

// digits [ '.' digits ] suffix
struct Decimal {
  bool ok = false;
  bool too_large = false;  // `whole` does not fit
  uint64_t whole = 0;
  TextView fraction;  // empty: there was no point
  TextView suffix;
};

constexpr Parsed accept(uint64_t value) { return {true, false, value}; }
constexpr Parsed refuse() { return {}; }
constexpr Parsed refuse_too_large() { return {false, true, 0}; }

constexpr size_t digits_at_start(TextView text) {
  size_t count = 0;
  while (count < text.size && is_digit(text.data[count])) ++count;
  return count;
}

constexpr Decimal scan_decimal(TextView text) {
  Decimal result;
  const size_t whole_length = digits_at_start(text);
  if (whole_length == 0) return result;
  for (size_t i = 0; i < whole_length; ++i) {
    const uint64_t digit = static_cast<uint64_t>(text.data[i] - '0');
    if (result.whole > (UINT64_MAX - digit) / 10) {
      result.too_large = true;
      break;
    }
    result.whole = result.whole * 10 + digit;
  }
  result.suffix = text.from(whole_length);
  if (result.suffix.size != 0 && result.suffix.data[0] == '.') {
    const TextView rest = result.suffix.from(1);
    result.fraction = {rest.data, digits_at_start(rest)};
    if (result.fraction.size == 0) return result;
    result.suffix = rest.from(result.fraction.size);
  }
  result.ok = true;
  return result;
}

// The number times `unit` (at most 2^40), rounded down; exact for any number of digits. The
// fraction is worked from its last digit to its first, rounding down at each, which loses nothing:
// floor((d * unit + floor(x)) / 10) is floor((d * unit + x) / 10), because d * unit is an integer.
constexpr Parsed scale(const Decimal& number, uint64_t unit) {
  if (number.too_large) return refuse_too_large();
  uint64_t part = 0;
  bool is_zero = number.whole == 0;
  for (size_t i = number.fraction.size; i > 0; --i) {
    const uint64_t digit = static_cast<uint64_t>(number.fraction.data[i - 1] - '0');
    if (digit != 0) is_zero = false;
    part = (digit * unit + part) / 10;
  }
  if (number.whole > (UINT64_MAX - part) / unit) return refuse_too_large();
  const uint64_t value = number.whole * unit + part;
  if (value == 0 && !is_zero) return refuse();
  return accept(value);
}

// Bytes in "", "B", "k", "kB", "KiB" and so on; 0: not a unit.
constexpr uint64_t size_unit(TextView suffix) {
  if (suffix.size == 0 || equal_ignoring_case(suffix, "b")) return 1;
  const TextView tail = suffix.from(1);
  const bool has_good_tail =
      tail.size == 0 || equal_ignoring_case(tail, "b") || equal_ignoring_case(tail, "ib");
  if (!has_good_tail) return 0;
  switch (to_lower(suffix.data[0])) {
    case 'k':
      return uint64_t{1} << 10;
    case 'm':
      return uint64_t{1} << 20;
    case 'g':
      return uint64_t{1} << 30;
    case 't':
      return uint64_t{1} << 40;
    default:
      return 0;
  }
}

// Milliseconds in a unit of time; 0: not a unit.
constexpr uint64_t duration_unit(TextView suffix) {
  if (equal_ignoring_case(suffix, "ms")) return 1;
  if (equal_ignoring_case(suffix, "s")) return 1000;
  if (equal_ignoring_case(suffix, "m")) return 60'000;
  if (equal_ignoring_case(suffix, "h")) return 3'600'000;
  return 0;
}

}  // namespace detail

// 1/0, true/false, yes/no, on/off, in any case.
constexpr Parsed parse_bool(TextView text) {
  constexpr const char* kWords[][2] = {{"0", "1"}, {"false", "true"}, {"no", "yes"}, {"off", "on"}};
  for (const auto& [off, on] : kWords) {
    if (equal_ignoring_case(text, off)) return detail::accept(0);
    if (equal_ignoring_case(text, on)) return detail::accept(1);
  }
  return detail::refuse();
}

enum class AutoSwitch : uint8_t { kOff, kAuto, kOn };

// A switch, or "auto" or "automatic".
constexpr Parsed parse_auto_switch(TextView text) {
  if (equal_ignoring_case(text, "automatic") || equal_ignoring_case(text, "auto")) {
    return detail::accept(static_cast<uint64_t>(AutoSwitch::kAuto));
  }
  const Parsed on = parse_bool(text);
  if (!on.ok) return on;
  return detail::accept(static_cast<uint64_t>(on.value != 0 ? AutoSwitch::kOn : AutoSwitch::kOff));
}

// 4096, 64k, 2M, 1.5GiB: every prefix is a power of 1024. Bytes have no fraction.
constexpr Parsed parse_size(TextView text) {
  const detail::Decimal number = detail::scan_decimal(text);
  const uint64_t unit = number.ok ? detail::size_unit(number.suffix) : 0;
  if (unit == 0 || (unit == 1 && number.fraction.size != 0)) return detail::refuse();
  return detail::scale(number, unit);
}

// A size, or "automatic" or "auto" for 0.
constexpr Parsed parse_auto_size(TextView text) {
  if (equal_ignoring_case(text, "automatic") || equal_ignoring_case(text, "auto")) {
    return detail::accept(0);
  }
  return parse_size(text);
}

// 0, 500ms, 1.5s, 1m, 2h, never. Only 0 may go without a unit: 500 could be meant in seconds.
constexpr Parsed parse_duration_ms(TextView text) {
  if (equal(text, "0")) return detail::accept(0);
  if (equal_ignoring_case(text, "never")) return detail::accept(kDurationNeverMs);
  const detail::Decimal number = detail::scan_decimal(text);
  const uint64_t unit = number.ok ? detail::duration_unit(number.suffix) : 0;
  if (unit == 0 || (unit == 1 && number.fraction.size != 0)) return detail::refuse();
  const Parsed result = detail::scale(number, unit);
  const bool reads_as_never = result.ok && result.value == kDurationNeverMs;
  return reads_as_never ? detail::refuse_too_large() : result;
}

// 25%, 12.5%, 0.25, in parts per million. Without the sign only 0 and fractions from 0.0 to 1.0
// count: whether 1 is 1 % or 100 %, and 2.5 is 2.5 % or 250 %, nobody can tell.
constexpr Parsed parse_percent_ppm(TextView text) {
  if (equal(text, "0")) return detail::accept(0);
  const detail::Decimal number = detail::scan_decimal(text);
  if (!number.ok) return detail::refuse();
  if (equal(number.suffix, "%")) return detail::scale(number, kPpmPerUnit / 100);
  if (number.suffix.size != 0 || number.fraction.size == 0) return detail::refuse();
  const Parsed result = detail::scale(number, kPpmPerUnit);
  return result.value <= kPpmPerUnit && !result.too_large ? result : detail::refuse();
}

constexpr Parsed parse_integer(TextView text) {
  const detail::Decimal number = detail::scan_decimal(text);
  if (!number.ok || number.fraction.size != 0 || number.suffix.size != 0) return detail::refuse();
  return detail::scale(number, 1);
}

// The value of a boolean is 0 or 1; the unit of the others is the one ValueType names.
constexpr Parsed parse_value(ValueType type, TextView text) {
  switch (type) {
    case ValueType::boolean:
      return parse_bool(text);
    case ValueType::auto_switch:
      return parse_auto_switch(text);
    case ValueType::size:
      return parse_size(text);
    case ValueType::auto_size:
      return parse_auto_size(text);
    case ValueType::duration:
      return parse_duration_ms(text);
    case ValueType::percent:
      return parse_percent_ppm(text);
    case ValueType::integer:
      return parse_integer(text);
  }
  return detail::refuse();
}

// For messages and the manual: "size", and "64k, 1.5GiB".
const char* value_type_name(ValueType type);
const char* value_type_examples(ValueType type);

}  // namespace hakmem
