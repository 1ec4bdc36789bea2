// config/config.h: the options of one process, read once and sealed.
//
// Responsibility  Turn the environment into one Config, say what is wrong with it, keep the result.
// Contract        parse_config(): pure; every HAKMEM_* entry is understood or reported in one line,
//                 and what is not understood leaves its default. Of several entries of one name the
//                 first counts, as in getenv.
//                 config(): the defaults until seal(), then never changes. seal() works once.
// Observable      option_table(): the rows behind --help and the manual. ParsedConfig::issue_count.
// Composable      Needs base/text, config/parse, options.def. Makes no system call: the caller
//                 (heap/lifecycle) hands in environ and AT_SECURE, writes the lines, exits, and
//                 makes sealed_page() read-only through os/.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/text.h"
#include "config/parse.h"

namespace hakmem {

// One member per row of options.def: reserve_bytes, decay_ms, ... A fresh one holds the defaults.
struct Config {
#define HAKMEM_DEFAULT(type, text) parse_value(ValueType::type, text).value
#define HAKMEM_MEMBER_boolean(name, text) bool name = HAKMEM_DEFAULT(boolean, text) != 0
#define HAKMEM_MEMBER_auto_switch(name, text) \
  AutoSwitch name = static_cast<AutoSwitch>(HAKMEM_DEFAULT(auto_switch, text))
#define HAKMEM_MEMBER_size(name, text) uint64_t name##_bytes = HAKMEM_DEFAULT(size, text)
#define HAKMEM_MEMBER_auto_size(name, text) uint64_t name##_bytes = HAKMEM_DEFAULT(auto_size, text)
#define HAKMEM_MEMBER_duration(name, text) uint64_t name##_ms = HAKMEM_DEFAULT(duration, text)
#define HAKMEM_MEMBER_percent(name, text) uint64_t name##_ppm = HAKMEM_DEFAULT(percent, text)
#define HAKMEM_MEMBER_integer(name, text) uint64_t name = HAKMEM_DEFAULT(integer, text)
#define HAKMEM_OPTION(name, env, type, default_text, min, max, help) \
  HAKMEM_MEMBER_##type(name, default_text);
#include "config/options.def"
#undef HAKMEM_DEFAULT
#undef HAKMEM_MEMBER_boolean
#undef HAKMEM_MEMBER_auto_switch
#undef HAKMEM_MEMBER_size
#undef HAKMEM_MEMBER_auto_size
#undef HAKMEM_MEMBER_duration
#undef HAKMEM_MEMBER_percent
#undef HAKMEM_MEMBER_integer

  friend bool operator==(const Config&, const Config&) = default;
};

// One row of options.def, for the hakmem command and the manual. Values are as a user types them.
struct OptionInfo {
  const char* name;
  const char* env;
  ValueType type;  // value_type_name() has the word for it
  const char* default_text;
  const char* min_text;
  const char* max_text;
  const char* help;
};

struct OptionTable {
  const OptionInfo* rows;
  size_t count;

  const OptionInfo* begin() const { return rows; }
  const OptionInfo* end() const { return rows + count; }
};

OptionTable option_table();

// Receives each issue as one finished line, newline included. A pair of pointers, since a virtual
// function would need libstdc++ at run time. A null `report` drops the lines; they still count.
struct ConfigIssueSink {
  void (*report)(void* context, TextView line);
  void* context;
};

// EX_CONFIG of sysexits.h: the exit status that HAKMEM_STRICT=1 promises.
inline constexpr int kExitBadConfiguration = 78;

struct ParsedConfig {
  Config config;
  uint32_t issue_count = 0;
  // HAKMEM_STRICT, and there was an issue: the caller exits with kExitBadConfiguration.
  bool must_exit = false;
};

// `environment` is environ: "NAME=value" texts up to a null pointer; it may be null itself.
// `secure` (AT_SECURE) means that whoever set the environment must not influence this process: it
// is not read at all.
ParsedConfig parse_config(const char* const* environment, bool secure, const ConfigIssueSink& sink);

// x86-64 has 4 KiB pages. On aarch64 the page size is the kernel's choice, up to 64 KiB, which is
// also what linkers align segments to, so that the alignment holds under every dynamic loader.
#if defined(__aarch64__)
inline constexpr size_t kSealedPageBytes = 64 * 1024;
#else
inline constexpr size_t kSealedPageBytes = 4096;
#endif

namespace detail {

struct alignas(kSealedPageBytes) SealedConfig {
  Config config;
  bool is_sealed = false;
};
static_assert(sizeof(SealedConfig) == kSealedPageBytes, "nothing else may live on the page");

extern constinit SealedConfig sealed_config;

}  // namespace detail

// The options in force. Plain data: seal() happens before a second thread can call this.
inline const Config& config() { return detail::sealed_config.config; }

// Stores the options. False, and nothing is written, if that was done before. Not for two threads
// at once: lifecycle's start calls it under its lock.
bool seal(const Config& config);

// Where the sealed options lie, and nothing else does: the caller makes it read-only after seal().
struct SealedPage {
  void* address;
  size_t size_bytes;
};
SealedPage sealed_page();

}  // namespace hakmem
