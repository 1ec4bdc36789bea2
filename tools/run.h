// tools/run.h: `hakmem run`, a program under libhakmem.so.
#pragma once

#include <string>
#include <vector>

namespace hakmem::tools {

// Replaces this process by `command` with libhakmem.so preloaded. Returns (an ExitCode) only when
// that could not be done, after one line on stderr that says why.
int run(const std::vector<std::string>& command);

}  // namespace hakmem::tools
