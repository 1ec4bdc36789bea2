// tools/bench/ceiling.h: `hakmem bench ceiling`.
//
// Responsibility  Compare hakmem with the structural ceiling (bench/ceiling/pools.h).
// Contract        ceiling(): an ExitCode, or 128 + N after signal N. Each round runs each row under
//                 both, in random order. A row one of whose runs did not count is invalid: it is
//                 not run again and has no ratio.
// Observable      The table on stdout; what went wrong behind it.
// Composable      Declared and called by bench.cpp. Needs the suite, a Launcher and the samples.
#pragma once

#include "ceiling_options.h"

namespace hakmem::bench {

int ceiling(const CeilingOptions& options);

}  // namespace hakmem::bench
