// tools/live/explain.h: what the library makes of an environment, for other commands.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hakmem::tools {

// The library's own lines about options it ignores there: the same code reads it.
std::vector<std::string> complaints_about(const std::vector<std::string>& environment);

// What `hakmem explain PID --json` prints. A process without hakmem is a Failure.
nlohmann::ordered_json explanation_of_process(int pid);

}  // namespace hakmem::tools
