#include "config/config.h"

namespace hakmem {

namespace detail {

// Constant-initialised: config() answers before any constructor has run.
constinit SealedConfig sealed_config;

}  // namespace detail

namespace {

constexpr TextView kPrefix = "HAKMEM_";

// Names of the benchmarks and tests: not options of the library, but not mistakes either.
constexpr const char* kNamesOfOthers[] = {"HAKMEM_BENCH_FAST_BLOCKS"};

// Of a name or value from the environment. Leaves room in a line for everything else it says.
constexpr size_t kShownLengthMax = 64;

enum class OptionIndex : uint8_t {
#define HAKMEM_OPTION(name, env, type, default_text, min, max, help) name,
#include "config/options.def"
};

constexpr OptionInfo kOptions[] = {
#define HAKMEM_OPTION(name, env, type, default_text, min, max, help) \
  {#name, env, ValueType::type, default_text, min, max, help},
#include "config/options.def"
};

constexpr size_t kOptionCount = sizeof(kOptions) / sizeof(kOptions[0]);

constexpr bool row_is_sound(const OptionInfo& option) {
  const Parsed initial = parse_value(option.type, option.default_text);
  const Parsed min = parse_value(option.type, option.min_text);
  const Parsed max = parse_value(option.type, option.max_text);
  const TextView env = option.env;
  return initial.ok && min.ok && max.ok && min.value <= initial.value &&
         initial.value <= max.value && starts_with(env, kPrefix) &&
         env.size <= kEditDistanceLengthMax;
}

constexpr bool rows_are_sound() {
  for (const OptionInfo& option : kOptions) {
    if (!row_is_sound(option)) return false;
  }
  return true;
}

static_assert(rows_are_sound(), "options.def: a default, range or name is wrong");
static_assert(kOptionCount <= 64, "the mask of options seen is one word");

// "NAME=value" of the environment, cut at the '='.
struct Entry {
  TextView name;
  TextView value;
};

bool is_of_others(TextView name) {
  for (const char* other : kNamesOfOthers) {
    if (equal(name, other)) return true;
  }
  return false;
}

// The row of that name, or kOptionCount.
size_t find_option(TextView name) {
  size_t row = 0;
  while (row < kOptionCount && !equal(name, kOptions[row].env)) ++row;
  return row;
}

// The option a user may have meant, or null. Distances are taken without the common prefix; up to a
// third of the longer name may differ: it forgives a forgotten word, but suggests no stranger.
const char* nearest_option(TextView name) {
  const TextView typed = name.from(kPrefix.size);
  const char* nearest = nullptr;
  size_t nearest_distance = SIZE_MAX;
  for (const OptionInfo& option : kOptions) {
    const TextView candidate = TextView(option.env).from(kPrefix.size);
    const size_t longer = typed.size > candidate.size ? typed.size : candidate.size;
    const size_t limit = (longer + 2) / 3;
    const size_t distance = edit_distance(typed, candidate, limit);
    if (distance <= limit && distance < nearest_distance) {
      nearest = option.env;
      nearest_distance = distance;
    }
  }
  return nearest;
}

void deliver(LineWriter& line, const ConfigIssueSink& sink) {
  line.end_line();
  if (sink.report != nullptr) sink.report(sink.context, line.view());
}

void report_unknown(TextView name, const ConfigIssueSink& sink) {
  LineWriter line;
  line.append("hakmem: unknown option ").append_untrusted(name, kShownLengthMax);
  if (const char* nearest = nearest_option(name)) {
    line.append(" (nearest: ").append(nearest).append(')');
  }
  line.append("; ignored");
  deliver(line, sink);
}

void report_bad_value(const OptionInfo& option, TextView value, bool out_of_range,
                      const ConfigIssueSink& sink) {
  LineWriter line;
  line.append("hakmem: ").append(option.env).append('=').append_untrusted(value, kShownLengthMax);
  if (out_of_range) {
    line.append(" is out of range (").append(option.min_text).append(" to ");
    line.append(option.max_text).append(')');
  } else {
    line.append(" is not a ").append(value_type_name(option.type)).append(" (e.g. ");
    line.append(value_type_examples(option.type)).append(')');
  }
  line.append("; using ").append(option.default_text);
  deliver(line, sink);
}

void assign(Config& config, size_t row, uint64_t value) {
  switch (static_cast<OptionIndex>(row)) {
#define HAKMEM_ASSIGN_boolean(name) config.name = value != 0
#define HAKMEM_ASSIGN_auto_switch(name) config.name = static_cast<AutoSwitch>(value)
#define HAKMEM_ASSIGN_size(name) config.name##_bytes = value
#define HAKMEM_ASSIGN_auto_size(name) config.name##_bytes = value
#define HAKMEM_ASSIGN_duration(name) config.name##_ms = value
#define HAKMEM_ASSIGN_percent(name) config.name##_ppm = value
#define HAKMEM_ASSIGN_integer(name) config.name = value
#define HAKMEM_OPTION(name, env, type, default_text, min, max, help) \
  case OptionIndex::name:                                            \
    HAKMEM_ASSIGN_##type(name);                                      \
    break;
#include "config/options.def"
#undef HAKMEM_ASSIGN_boolean
#undef HAKMEM_ASSIGN_auto_switch
#undef HAKMEM_ASSIGN_size
#undef HAKMEM_ASSIGN_auto_size
#undef HAKMEM_ASSIGN_duration
#undef HAKMEM_ASSIGN_percent
#undef HAKMEM_ASSIGN_integer
  }
}

// False, and reported, if the value is not one for this option.
bool apply_value(Config& config, size_t row, TextView value, const ConfigIssueSink& sink) {
  const OptionInfo& option = kOptions[row];
  const Parsed parsed = parse_value(option.type, value);
  const bool in_range = parsed.ok &&
                        parsed.value >= parse_value(option.type, option.min_text).value &&
                        parsed.value <= parse_value(option.type, option.max_text).value;
  if (in_range) {
    assign(config, row, parsed.value);
    return true;
  }
  report_bad_value(option, value, parsed.ok || parsed.too_large, sink);
  return false;
}

// False for what is none of our business: other names, and texts without '=', which getenv does not
// find either.
bool split_entry(const char* text, Entry& entry) {
  for (size_t i = 0; i < kPrefix.size; ++i) {  // most entries differ in the first byte
    if (text[i] != kPrefix.data[i]) return false;
  }
  const TextView whole = text;
  size_t length = 0;
  while (length < whole.size && whole.data[length] != '=') ++length;
  if (length == whole.size) return false;
  entry = {{whole.data, length}, whole.from(length + 1)};
  return !is_of_others(entry.name);
}

}  // namespace

OptionTable option_table() { return {kOptions, kOptionCount}; }

ParsedConfig parse_config(const char* const* environment, bool secure,
                          const ConfigIssueSink& sink) {
  ParsedConfig result;
  if (secure || environment == nullptr) return result;
  uint64_t seen = 0;
  // As long as the environment is: the system ends it with a null pointer.
  for (; *environment != nullptr; ++environment) {
    Entry entry;
    if (!split_entry(*environment, entry)) continue;
    const size_t row = find_option(entry.name);
    if (row == kOptionCount) {
      report_unknown(entry.name, sink);
      ++result.issue_count;
      continue;
    }
    const uint64_t bit = uint64_t{1} << row;
    if ((seen & bit) != 0) continue;
    seen |= bit;
    if (!apply_value(result.config, row, entry.value, sink)) ++result.issue_count;
  }
  result.must_exit = result.config.strict && result.issue_count != 0;
  return result;
}

bool seal(const Config& config) {
  if (detail::sealed_config.is_sealed) return false;
  detail::sealed_config.config = config;
  detail::sealed_config.is_sealed = true;
  return true;
}

SealedPage sealed_page() { return {&detail::sealed_config, sizeof(detail::sealed_config)}; }

}  // namespace hakmem
