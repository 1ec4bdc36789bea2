// observe/counters.h: what the boxes counted, as one list that describes itself.
//
// Responsibility  Add up the statistics of every cache, lock, pool and of os/, under names.
// Contract        The rows of counters.def, in their order. Reading takes no lock and allocates
//                 nothing, so that it changes no counter and works anywhere, a signal handler
//                 included. Threads go on meanwhile: values are each right, but not of one moment.
// Observable      counter_info(), read_counters().
// Composable      Everything below. Used by api (hak_counters, malloc_stats, malloc_info) and
//                 the stats page.
#pragma once

#include <cstdint>

namespace hakmem {

struct CounterInfo {
  const char* name;
  const char* unit;
  const char* help;
};

enum class CounterIndex : uint32_t {
#define HAKMEM_COUNTER(name, unit, value, help) name,
#include "observe/counters.def"
  kEnd
};
inline constexpr uint32_t kCounters = static_cast<uint32_t>(CounterIndex::kEnd);

struct CounterValues {
  uint64_t values[kCounters];

  uint64_t operator[](CounterIndex index) const { return values[static_cast<uint32_t>(index)]; }
};

// index < kCounters
const CounterInfo& counter_info(uint32_t index);

void read_counters(CounterValues* out);

}  // namespace hakmem
