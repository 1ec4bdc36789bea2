#include "translate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace hakmem::tools {
namespace {

// How a value of theirs becomes one of ours.
enum class Value { kNone, kMilliseconds, kSwitch, kKibibytes, kTcacheOff };

struct Rule {
  const char* name;
  const char* option;  // nullptr: none
  Value value;
  const char* note;
};

constexpr Rule kJemalloc[] = {
    {"dirty_decay_ms", "HAKMEM_DECAY", Value::kMilliseconds, ""},
    {"muzzy_decay_ms", nullptr, Value::kNone, "there is one stage only: freed memory is kept, then given back"},
    {"background_thread", "HAKMEM_SCAVENGER", Value::kSwitch, "auto, the default, starts one where it is worth it"},
    {"narenas", nullptr, Value::kNone, "not needed: each thread has its own cache, and slabs are shared"},
    {"percpu_arena", nullptr, Value::kNone, "not needed: each thread has its own cache, and slabs are shared"},
    {"tcache", "HAKMEM_CACHE_LIMIT", Value::kTcacheOff, "the first entries of each class stay: they cost no budget"},
    {"tcache_max", nullptr, Value::kNone, "caches are bounded together: HAKMEM_CACHE_LIMIT"},
    {"lg_tcache_max", nullptr, Value::kNone, "caches are bounded together: HAKMEM_CACHE_LIMIT"},
    {"abort_conf", "HAKMEM_STRICT", Value::kSwitch, ""},
    {"confirm_conf", "HAKMEM_VERBOSE", Value::kSwitch, ""},
    {"stats_print", nullptr, Value::kNone, "hakmem stat PID, at any time and from outside"},
    {"prof", nullptr, Value::kNone, "there is no profiler yet"},
    {"thp", nullptr, Value::kNone, "HAKMEM_THP; auto, the default, asks for huge pages where a large heap is dense"},
    {"metadata_thp", nullptr, Value::kNone, "the system's setting counts"},
    {"retain", nullptr, Value::kNone, "address space is always kept"},
};

constexpr Rule kMimalloc[] = {
    {"MIMALLOC_PURGE_DELAY", "HAKMEM_DECAY", Value::kMilliseconds, ""},
    {"MIMALLOC_RESET_DELAY", "HAKMEM_DECAY", Value::kMilliseconds, ""},
    {"MIMALLOC_VERBOSE", "HAKMEM_VERBOSE", Value::kSwitch, ""},
    {"MIMALLOC_ARENA_RESERVE", "HAKMEM_RESERVE", Value::kKibibytes, "address space only: nothing is committed"},
    {"MIMALLOC_SHOW_STATS", nullptr, Value::kNone, "hakmem stat PID, at any time and from outside"},
    {"MIMALLOC_SHOW_ERRORS", nullptr, Value::kNone, "always on: what is freed wrongly ends the program with a line"},
    {"MIMALLOC_PURGE_DECOMMITS", nullptr, Value::kNone, "memory given back always leaves the resident size"},
    {"MIMALLOC_ALLOW_THP", nullptr, Value::kNone, "HAKMEM_THP; auto, the default, asks for huge pages where a large heap is dense"},
    {"MIMALLOC_ALLOW_LARGE_OS_PAGES", nullptr, Value::kNone, "the system's setting for transparent huge pages counts"},
};

constexpr Rule kGlibc[] = {
    {"MALLOC_ARENA_MAX", nullptr, Value::kNone, "not needed: slabs are shared by all threads"},
    {"MALLOC_ARENA_TEST", nullptr, Value::kNone, "not needed: slabs are shared by all threads"},
    {"MALLOC_TRIM_THRESHOLD_", nullptr, Value::kNone, "freed memory goes back by time, not by size: HAKMEM_DECAY"},
    {"MALLOC_TOP_PAD_", nullptr, Value::kNone, "the heap is no single area with a top"},
    {"MALLOC_MMAP_THRESHOLD_", nullptr, Value::kNone, "blocks above 2 MiB are mappings of their own, always"},
    {"MALLOC_PERTURB_", nullptr, Value::kNone, "there is none"},
    {"MALLOC_CHECK_", nullptr, Value::kNone, "always on: what is freed wrongly ends the program with a line"},
};

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_yes(const std::string& text) { return text == "true" || text == "1" || text == "yes" || text == "on"; }

std::string convert(const Rule& rule, const std::string& value) {
  if (rule.option == nullptr) return {};
  const std::string name = std::string(rule.option) + "=";
  switch (rule.value) {
    case Value::kMilliseconds:
      if (value == "-1") return name + "never";
      return is_number(value) ? name + value + "ms" : "";
    case Value::kSwitch:
      return name + (is_yes(value) ? "on" : "off");
    case Value::kKibibytes:
      return is_number(value) ? name + value + "k" : "";
    case Value::kTcacheOff:
      return is_yes(value) ? "" : name + "1";
    case Value::kNone:
      break;
  }
  return {};
}

template <std::size_t kRows>
Translation translate_one(const Rule (&rules)[kRows], const std::string& name, const std::string& value,
                          const std::string& setting) {
  for (const Rule& rule : rules) {
    if (name != rule.name) continue;
    Translation found{setting, convert(rule, value), rule.note};
    if (found.equivalent.empty() && found.note.empty()) found.note = "its value is not understood";
    return found;
  }
  std::string nearest;
  std::size_t best = 3;
  for (const Rule& rule : rules) {
    const std::size_t distance = edit_distance({name.data(), name.size()}, rule.name, best - 1);
    if (distance < best) {
      best = distance;
      nearest = rule.name;
    }
  }
  return {setting, "", nearest.empty() ? "not known here" : fmt::format("not known here; {}?", nearest)};
}

std::vector<Translation> translate_jemalloc(const std::string& text) {
  std::vector<Translation> list;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    const std::string pair = text.substr(start, end - start);
    const std::size_t colon = std::min(pair.find(':'), pair.size());
    const std::string value = colon < pair.size() ? pair.substr(colon + 1) : "";
    if (!pair.empty()) list.push_back(translate_one(kJemalloc, pair.substr(0, colon), value, pair));
    start = end + 1;
  }
  return list;
}

bool begins(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

}  // namespace

std::vector<Translation> translate(const std::string& text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string name = text.substr(0, equals);
  const std::string value = equals < text.size() ? text.substr(equals + 1) : "";
  if (name == "MALLOC_CONF" || name == "_RJEM_MALLOC_CONF" || name == "JE_MALLOC_CONF") {
    return translate_jemalloc(value);
  }
  if (begins(name, "MIMALLOC_")) {
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
    return {translate_one(kMimalloc, upper, value, text)};
  }
  if (begins(name, "MALLOC_") && equals < text.size()) return {translate_one(kGlibc, name, value, text)};
  if (equals == text.size() && text.find(':') != std::string::npos) return translate_jemalloc(text);
  return {};
}

}  // namespace hakmem::tools
