// tools/profile/command.h: what `hakmem run --profile` shares with `hakmem profile`.
//
// Responsibility  Write the profile that a process left.
// Contract        The process has ended and is not waited for yet. What could not be done is one line on stderr.
// Observable      The file; that line.
// Composable      raw, symbols, pprof. Used by run.
#pragma once

#include <string>

namespace hakmem::tools {

void write_profile_of_ended(int pid, const std::string& output);

}  // namespace hakmem::tools
