// tools/bench/error.h: why `hakmem bench` cannot go on.
//
// Responsibility  Carry one line for the user and the exit status that belongs to it.
// Contract        what() is a clause without the command's name and without a full stop.
// Observable      code().
// Composable      Thrown anywhere below tools/bench; caught once, in compare.cpp.
#pragma once

#include <stdexcept>
#include <string>

#include "../exit_code.h"

namespace hakmem::bench {

class Error : public std::runtime_error {
 public:
  Error(tools::ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}

  [[nodiscard]] tools::ExitCode code() const { return code_; }

 private:
  tools::ExitCode code_;
};

}  // namespace hakmem::bench
