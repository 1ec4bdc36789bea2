// tools/bench/checks.h: gates that no figure decides.
//
// Responsibility  Run one of the suite's checks on the library.
// Contract        PASS when it exits 0, FAIL with its last lines when it does not, not judged when
//                 its script is not here (an installation has none of the tests).
// Observable      GateResult.
// Composable      Needs child.h.
#pragma once

#include <filesystem>
#include <vector>

#include "suite.h"
#include "verdict.h"

namespace hakmem::bench {

GateResult run_check(const Check& check, const std::filesystem::path& library,
                     const std::vector<std::filesystem::path>& folders);

}  // namespace hakmem::bench
