// observe/page_format.h: the stats page as both sides know it.
//
// Responsibility  Where the page says what it holds, and the few words that are not described there.
// Contract        Everything else follows from the description: a text of lines,
//                   table NAME OFFSET ROWS          8-byte words, row after row, from OFFSET on
//                   column NAME KIND UNIT HELP...   the columns of the table named last, in order
//                   event NUMBER NAME UNIT HELP...  what a number in the column `kind` of `events` means
//                 so that any command reads the page of any library. `sequence` is odd while the tables are
//                 written, and another number afterwards. The description is constant.
// Observable      Nothing: no code.
// Composable      Used by stats_page and, from outside of the library, by the hakmem command.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hakmem {

inline constexpr uint64_t kPageMagic = 0x6d656d6b61680a1a;  // "\x1a\nhakmem"
// Another number: the header itself means something else.
inline constexpr uint32_t kPageVersion = 1;
// Rounded up to the kernel's page size.
inline constexpr size_t kStatsPageBytes = size_t{32} << 10;

using PageWord = std::atomic<uint64_t>;

struct PageHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t page_bytes;
  uint32_t text_offset;
  uint32_t text_bytes;
  uint32_t process_id;  // as the process sees itself
  // Of a request that takes one: bytes between two samples, 0: the option's; milliseconds to watch. Written before it.
  std::atomic<uint32_t> argument;
  uint64_t pid_namespace;
  PageWord sequence;
  // Written from outside: any number not there before, its lowest byte a PageRequest. `answered` becomes
  // that number when it was done.
  PageWord request;
  PageWord answered;
};
static_assert(sizeof(PageHeader) == 64 && sizeof(PageWord) == 8 && PageWord::is_always_lock_free);

// Bits.
enum PageRequest : uint8_t {
  kRequestRefresh = 1,  // write the page at the next tick
  kRequestPurge = 2,    // give back what can be given back, then write the page
  kRequestProfile = 4,  // sample allocations; the file is there when it is answered
  kRequestNoProfile = 8,  // stop, and take the file away
  kRequestLatency = 16,   // time slow paths for as long as the argument says, an hour at most
};

enum class PageEvent : uint64_t { kNone, kGrowth, kPurge, kPurgeRefused, kSharedFail, kMismatch, kRequestedPurge };

}  // namespace hakmem
