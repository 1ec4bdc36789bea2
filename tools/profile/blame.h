// tools/profile/blame.h: which call sites pin slabs that are nearly empty.
//
// Responsibility  Join sampled blocks with the occupancy of slabs.
// Contract        A sampled block lies among its like, so that its free is seen; the slab it is joined with is the one
//                 that its thread was giving blocks out of: without the profile it would lie there, as one more
//                 taken block. Where that slab is nearly empty (is_nearly_empty), the block answers for the slab's free
//                 bytes divided by its taken blocks, itself included; a slab that has become wholly free, or went back,
//                 would have had it alone. Times 1 / p, the inverse of the chance that the block was sampled (profile/weight.h), the
//                 expected sum over samples is the sum over all blocks that the profile could see: unbiased,
//                 whatever their sizes and places. One bound is put on it: of each class, slabs with one taken block
//                 and slabs with more are two groups whose free bytes the map knows exactly, and the shares of a group
//                 never add up to more. (A slab that went back might have been filled again; and samples
//                 scatter.) What is missing to that exact sum is not attributed to anybody.
// Observable      Blame: attributed + not attributed == pinned.
// Composable      samples, live/heap_map, profile. Used by hakmem map.
#pragma once

#include <cstdint>
#include <vector>

#include "../live/heap_map.h"
#include "profile.h"
#include "samples.h"

namespace hakmem::tools {

struct Blame {
  std::uint64_t slabs = 0;          // nearly empty ones
  std::uint64_t pinned_bytes = 0;   // free in them
  std::uint64_t purged_bytes = 0;   // of that, went back by the page: only the addresses are held
  std::uint64_t older_bytes = 0;    // of that, in slabs that are older than the profile
  std::uint64_t attributed_bytes = 0;
  std::uint64_t samples = 0;        // live sampled blocks
  std::uint64_t pinning = 0;        // of them, in nearly empty slabs
  Profile waste;                    // pinned_objects and pinned_space of each call site

  std::uint64_t not_attributed() const { return pinned_bytes - attributed_bytes; }
};

// `only_class`: block size, 0 for all. `profile`: as it was read at about the same time.
Blame blame_of(const HeapMap& map, const std::vector<SampledBlock>& samples, const Profile& profile,
               std::uint64_t only_class);

// With the rest as a call site of its own, so that the sum is the pinned one.
Profile whole_waste(const Blame& blame);

}  // namespace hakmem::tools
