// tools/bench/machine.h: what a figure depends on besides the allocator.
//
// Responsibility  Describe processor, memory, kernel, libraries and settings, without a name.
// Contract        Only facts that can be read here; what cannot be read is left out. Nothing that
//                 identifies a person or host.
// Observable      Facts in a fixed order.
// Composable      Used by the reports.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace hakmem::bench {

// ("processor", "..."), ...
using Facts = std::vector<std::pair<std::string, std::string>>;

Facts describe_machine();
std::string load_average();

}  // namespace hakmem::bench
