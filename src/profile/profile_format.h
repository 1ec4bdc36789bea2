// profile/profile_format.h: the heap profile as both sides know it.
//
// Responsibility  Where the file of a profile says which call stacks hold how much.
// Contract        A header, then records, each with its kind and length, up to `used`; they are only added, so
//                 a reader takes `used` first. Counters of a record change while it is read, each for
//                 itself: a sample more or less. Counts are in 1/65536 of a block. Of a stack whose
//                 peak_epoch is not the header's, or while `at_peak`, the peak is what is live.
// Observable      Nothing: no code.
// Composable      Used by profile and, from outside of the library, by the hakmem command.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hakmem {

inline constexpr uint64_t kProfileMagic = 0x666f72706b61680a;  // "\nhakprof"
inline constexpr uint32_t kProfileVersion = 1;
// Behind the name of the stats page: PID.NAMESPACE.profile.
inline constexpr char kProfileSuffix[] = ".profile";

inline constexpr uint32_t kProfileDepthMax = 64;
// Bytes between two samples, at least: at this rate nearly every block of 16 KiB and more is one.
inline constexpr uint64_t kProfileRateMin = 4096;
inline constexpr uint32_t kCountShift = 16;

using ProfileWord = std::atomic<uint64_t>;

struct ProfileHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t process_id;  // as the process sees itself
  uint64_t pid_namespace;
  uint64_t rate_bytes;  // mean between two samples
  uint64_t file_bytes;
  uint64_t started_ms;  // monotonic
  ProfileWord used;     // sync: records. Released when what lies before it is complete.
  ProfileWord samples;
  ProfileWord samples_lost;  // of blocks whose end will not be seen: no room to remember them
  ProfileWord stacks_lost;   // samples that count for the first record, which has no frames: no room
  ProfileWord live_bytes;
  ProfileWord peak_bytes;
  ProfileWord peak_epoch;
  ProfileWord at_peak;
  uint64_t unused[2];
};
static_assert(sizeof(ProfileHeader) == 128 && ProfileWord::is_always_lock_free);

enum class ProfileRecordKind : uint32_t { kModule = 1, kStack = 2 };

struct ProfileRecord {
  ProfileRecordKind kind;
  uint32_t bytes;  // this included; a multiple of 8
};

// A file that code was seen in.
struct ModuleRecord {
  ProfileRecord record;
  uint64_t begin;
  uint64_t end;
  uint64_t base;  // what its addresses are relative to
  uint32_t build_id_bytes;
  uint32_t path_bytes;
  uint8_t build_id[32];
  // The path follows.
};

struct StackRecord {
  ProfileRecord record;
  uint32_t depth;
  uint32_t hash;
  ProfileWord allocated_count;
  ProfileWord allocated_bytes;
  ProfileWord live_count;
  ProfileWord live_bytes;
  ProfileWord peak_count;
  ProfileWord peak_bytes;
  ProfileWord peak_epoch;
  // `depth` return addresses follow, the innermost first.
};
static_assert(sizeof(ModuleRecord) == 72 && sizeof(StackRecord) == 72);

}  // namespace hakmem
