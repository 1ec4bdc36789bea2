// tools/search_path.h: a program by its name, as execvp() would find it.
//
// Responsibility  Look through PATH.
// Contract        A name with a slash is a path. Else the first executable file of that name in PATH; where there is none,
//                 the first file at all, which execvp() would refuse; an empty folder is the current one.
// Observable      Nothing.
// Composable      Used by run and bench/.
#pragma once

#include <optional>
#include <string>

namespace hakmem::tools {

std::optional<std::string> search_path(const std::string& name);

}  // namespace hakmem::tools
