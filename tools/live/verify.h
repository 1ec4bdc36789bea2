// tools/live/verify.h: whose malloc a process uses, and why it is not hakmem's.
#pragma once

#include <string>
#include <vector>

namespace hakmem::tools {

enum class Cause {
  kOther,
  kOrder,        // another library with a malloc comes first
  kLate,         // loaded when malloc was bound already
  kSwitchedOff,  // an option sends every request to libc
};

struct Verdict {
  bool hakmem = false;
  std::string provider;               // the file malloc comes from
  std::string reason;
  std::string fix;
  std::vector<std::string> warnings;  // does not change the verdict
  Cause cause = Cause::kOther;
};

Verdict verify_process(int pid);

}  // namespace hakmem::tools
