// tools/profile/samples.h: the sampled blocks that a process holds.
//
// Responsibility  Copy the profiler's table of live samples out of a running process.
// Contract        By the addresses its page gives. The table changes while it is copied: an entry may be missing,
//                 none is there twice. Nothing in it is trusted. A library without one is a Failure.
// Observable      SampledBlock.
// Composable      live/memory, live/page. Used by blame.
#pragma once

#include <cstdint>
#include <vector>

#include "../live/page.h"

namespace hakmem::tools {

struct SampledBlock {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t stack = 0;  // ProfileSample::record
  std::uint64_t place = 0;  // the block its thread would have given out instead; 0: a slab of its own
  std::uint32_t since = 0;  // by the slab clock
};

std::vector<SampledBlock> read_samples(int pid, const StatsPage& page);

}  // namespace hakmem::tools
