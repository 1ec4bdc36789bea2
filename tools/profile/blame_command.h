// tools/profile/blame_command.h: `hakmem map P --blame`.
//
// Responsibility  Profile the process as long as it is wanted, join, and say what came out.
// Contract        Text, JSON of the schema hakmem.blame/1, or a pprof file whose sum is all that is pinned. What could
//                 not be seen is said. A Failure where there is no profile.
// Observable      The exit status.
// Composable      session, samples, blame. Used by map.
#pragma once

#include <cstdint>
#include <string>

namespace hakmem::tools {

struct BlameOptions {
  int pid = 0;
  std::uint64_t only_class = 0;
  std::size_t rows = 20;
  bool json = false;
  std::string duration;
  std::string output;
  std::uint32_t rate = 0;
};

int blame_command(const BlameOptions& options);

}  // namespace hakmem::tools
