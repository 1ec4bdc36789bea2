// tools/live/live.h: the commands that look at running processes.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace hakmem::tools {

// Adds ps, stat, purge, verify, ... to the command line; the one that is chosen becomes *action, whose
// answer is the exit status.
void declare_live(CLI::App* app, std::function<int()>* action);

}  // namespace hakmem::tools
