// fakeos/fake_pages.h: os/pages over real memory, with a script of refusals.
//
// Every call is counted, and ends the process with a line on stderr when this thread holds the lock
// of a cache, of the pool or of the huge blocks; when address or size are no multiples of the page
// size; or when the range is none that was reserved or mapped and not given back since. Growing
// always moves; a purge zeroes. An unmap that is refused leaves the range mapped, without access.
#pragma once

#include <cstdint>
#include <ostream>

#include "base/units.h"

namespace hakmem::fakeos {

enum class Call : uint8_t { kReserve, kCommit, kMakeReadable, kMap, kUnmap, kPurge, kRemap };
inline constexpr uint32_t kCallKinds = 7;
inline constexpr Call kAllCalls[kCallKinds] = {Call::kReserve, Call::kCommit, Call::kMakeReadable,
                                               Call::kMap,     Call::kUnmap,  Call::kPurge,
                                               Call::kRemap};
const char* name_of(Call call);
// How gtest prints one.
inline void PrintTo(Call call, std::ostream* out) { *out << name_of(call); }

// Which calls are refused: of `kinds` (and, if size is not 0, only where they touch [begin, begin +
// size)) those numbered first, first + period, ... below `end`, counted from 0 since arm().
struct Script {
  uint32_t kinds = 0;  // bit of each Call
  uint64_t first = 0;
  uint64_t end = UINT64_MAX;
  uint64_t period = 1;
  uintptr_t begin = 0;
  size_t size = 0;
};
constexpr uint32_t bit_of(Call call) { return 1u << static_cast<uint32_t>(call); }
constexpr uint32_t kEveryKind = (1u << kCallKinds) - 1;

constexpr Script nth(Call call, uint64_t n) { return Script{bit_of(call), n, n + 1, 1, 0, 0}; }
constexpr Script from(Call call, uint64_t n) {
  return Script{bit_of(call), n, UINT64_MAX, 1, 0, 0};
}
constexpr Script every(Call call, uint64_t k) {
  return Script{bit_of(call), k - 1, UINT64_MAX, k, 0, 0};
}
constexpr Script everything_from(uint64_t n) { return Script{kEveryKind, n, UINT64_MAX, 1, 0, 0}; }

// Starts the script, and the counts anew.
void arm(const Script& script);
// Everything is granted again; the counts stay.
void disarm();

// Since arm() or the start.
uint64_t calls(Call call);
uint64_t calls_of_all_kinds();
uint64_t refusals();
Bytes purged();  // as granted

// What each call of a kind takes, on the fake clock.
void set_cost_us(Call call, uint64_t microseconds);

// What was reserved, or mapped, and not given back.
struct Held {
  uint32_t ranges = 0;
  Bytes bytes;
};
Held held_reserved();
Held held_mapped();

// While this lives, calls are granted and not counted: the test's own.
class Aside {
 public:
  Aside();
  ~Aside();
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
};

}  // namespace hakmem::fakeos
