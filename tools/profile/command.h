// tools/profile/command.h: what `hakmem run --profile` and `hakmem serve` share with `hakmem profile`.
//
// Responsibility  The profile that a process left, or has so far.
// Contract        Of an ended process, which is not waited for yet: what could not be done is one line on
//                 stderr. Of a running one that is not profiled: a Failure.
// Observable      The file; that line.
// Composable      raw, symbols, pprof. Used by run, serve.
#pragma once

#include <string>

#include "profile.h"

namespace hakmem::tools {

void write_profile_of_ended(int pid, const std::string& output);

// With names; what is live is chosen.
Profile profile_so_far(int pid);

}  // namespace hakmem::tools
