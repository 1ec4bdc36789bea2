// tools/bench/callgrind.h: a row's program under valgrind's callgrind.
//
// Responsibility  Start it, with fewer operations than the row has, and hand over what came of it.
// Contract        The program gets the allocator preloaded, and a reservation that fits valgrind's
//                 address space. Throws nothing.
// Observable      What the program printed, and callgrind's last lines.
// Composable      Needs child.h. Used by instructions and loss_profile.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "child.h"
#include "samples.h"

namespace hakmem::bench {

// valgrind is some fifty times slower, so a fiftieth of the row's operations takes about as long as
// the row. 0 where the row's first argument is no number: it runs as it is.
unsigned long operations_under_valgrind(const Row& row);

// `options` are callgrind's, `settings` further variables of the program's environment, as NAME=VALUE.
ChildResult run_under_callgrind(const Row& row, const std::filesystem::path& program,
                                const Allocator& allocator, unsigned long operations,
                                const std::vector<std::string>& options,
                                const std::vector<std::string>& settings);

bool valgrind_is_installed();

}  // namespace hakmem::bench
