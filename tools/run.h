// tools/run.h: `hakmem run`, a program under libhakmem.so.
#pragma once

#include <string>
#include <vector>

#include "installation.h"

namespace hakmem::tools {

struct RunOptions {
  Library library = Library::kDefault;
  bool summary = false;  // wait for the program, and say one line at its end
  std::string profile;   // wait for it, and write its heap profile there
  bool force = false;    // also a program with a malloc of its own
};

// Replaces this process by `command` with the library preloaded; with a summary or profile waits for it, and passes its
// exit status or its signal on. Returns (an ExitCode) only when that could not be done, after one line on stderr
// that says why.
int run(const std::vector<std::string>& command, const RunOptions& options);

}  // namespace hakmem::tools
