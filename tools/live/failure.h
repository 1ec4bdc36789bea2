// tools/live/failure.h: why a command ends without having done what it was asked for.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "../exit_code.h"

namespace hakmem::tools {

// The text says what happened, to which value, and what to do; main() prints it behind "hakmem: ".
class Failure : public std::runtime_error {
 public:
  template <typename... Args>
  Failure(ExitCode code, fmt::format_string<Args...> text, Args&&... args)
      : std::runtime_error(fmt::format(text, std::forward<Args>(args)...)), code_(code) {}

  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

}  // namespace hakmem::tools
