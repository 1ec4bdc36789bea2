#include "suite_file.h"

#include <optional>

#include "../installation.h"
#include "error.h"

namespace hakmem::bench {

std::filesystem::path choose_suite(const std::filesystem::path& given) {
  if (!given.empty()) return given;
  if (const std::optional<std::filesystem::path> suite = tools::find_suite()) return *suite;
  throw Error(tools::kExitTargetMissing,
              "suite.json is neither in bench/ beside this command nor in ../share/hakmem; --suite "
              "names it");
}

}  // namespace hakmem::bench
