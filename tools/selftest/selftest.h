// tools/selftest/selftest.h: `hakmem selftest --security`.
//
// Responsibility  Commit each crime in a child under each flavour; say which were caught, and by what.
// Contract        Exit status 0 when every promise was kept, 1 when one was not, else an ExitCode. A child
//                 that hangs is killed and counts as not caught.
// Observable      The table, or with --json one object.
// Composable      crimes, installation. Used by main.cpp.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hakmem::selftest {

// The exit status of `hakmem --commit-crime NAME`, which runs in the children, when `arguments` are that.
std::optional<int> committed_crime(const std::vector<std::string>& arguments);

void declare_selftest(CLI::App* app, std::function<int()>* action);

}  // namespace hakmem::selftest
