// tools/bench/compare.h: `hakmem bench compare`.
//
// Responsibility  Carry out one comparison from options to exit status.
// Contract        compare(): an ExitCode, or 128 + N after signal N. Files are written whole or not
//                 at all, also when the user interrupts.
// Observable      The table on stdout, everything else on stderr and in the files.
// Composable      Declared and called by bench.cpp.
#pragma once

#include <string>

#include "compare_options.h"

namespace hakmem::bench {

// `command_line`: how the user called it, for the report.
int compare(const CompareOptions& options, const std::string& command_line);

}  // namespace hakmem::bench
