// tools/bench/suite_file.h: which suite.json.
//
// Responsibility  The file that --suite names, or the one that belongs to this command.
// Contract        An Error (kExitTargetMissing) when there is none.
// Observable      The path.
// Composable      Needs tools/installation. Used by compare and ceiling.
#pragma once

#include <filesystem>

namespace hakmem::bench {

std::filesystem::path choose_suite(const std::filesystem::path& given);

}  // namespace hakmem::bench
