// tools/elf_check.h: can a program be preloaded?
#pragma once

#include <string>

namespace hakmem::tools {

enum class Preload {
  kPossible,
  kImpossible,  // the dynamic linker would ignore LD_PRELOAD, or is not there at all
  kUnreadable,  // cannot tell; the kernel may still run it
};

struct PreloadAnswer {
  Preload preload;
  std::string reason;  // a clause that follows "FILE "; empty when it is possible
};

// Looks at an executable file: an ELF program, or a script, whose interpreter is then looked at.
PreloadAnswer check_preload(const std::string& path);

}  // namespace hakmem::tools
