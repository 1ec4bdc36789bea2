// tools/live/explain.h: what the library makes of an environment.
#pragma once

#include <string>
#include <vector>

namespace hakmem::tools {

// The library's own lines about options it ignores there: the same code reads it.
std::vector<std::string> complaints_about(const std::vector<std::string>& environment);

}  // namespace hakmem::tools
