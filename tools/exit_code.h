// tools/exit_code.h: what the hakmem command's exit status means.
#pragma once

namespace hakmem::tools {

enum ExitCode : int {
  kExitFine = 0,
  kExitFinding = 1,        // the command worked, and found something to report
  kExitUsage = 2,          // the command line was not understood
  kExitTargetMissing = 3,  // a file or process the command needs is not there
  kExitPermission = 4,     // it is there, but we may not use it
  kExitUnsupported = 5,    // it is there, but hakmem cannot serve it
  kExitNotFound = 127,     // `run`: no such program, as a shell says it
};

}  // namespace hakmem::tools
