// tools/bench/scale.h: `hakmem bench scale`.
//
// Responsibility  Run bench/scale with few threads and many, few live blocks and many, and show what
//                 hakmem counted; and what sleeping threads keep.
// Contract        scale(): an ExitCode, or 128 + N after signal N. A run that fails is said and
//                 leaves its point out.
// Observable      The table on stdout, --json with every counter of every run.
// Composable      Declared and called by bench.cpp. Needs a Launcher; scale_table judges.
#pragma once

#include <string>

#include "scale_options.h"

namespace hakmem::bench {

int scale(const ScaleOptions& options, const std::string& command_line);

}  // namespace hakmem::bench
