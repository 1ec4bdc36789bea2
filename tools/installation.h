// tools/installation.h: where the files are that belong to this command.
//
// Responsibility  Know the two layouts: a build tree, and an installation prefix.
// Contract        Every answer is an existing file or folder, or nothing. Relative to the command
//                 itself, so that both trees may be moved.
// Observable      Nothing.
// Composable      Used by run.cpp, live/page.cpp and bench/.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace hakmem::tools {

enum class Library { kDefault, kHardened };

// libhakmem.so or libhakmem-hardened.so.
const char* file_name(Library library);

// It: beside the command in a build, in ../lib or ../lib/<triplet> of a prefix.
std::optional<std::filesystem::path> find_library(Library library = Library::kDefault);

// suite.json of `hakmem bench`: bench/ in a build, ../share/hakmem of a prefix.
std::optional<std::filesystem::path> find_suite();

// The folders that workloads may lie in: bench/ in a build, ../libexec/hakmem of a prefix.
std::vector<std::filesystem::path> bench_folders();

}  // namespace hakmem::tools
