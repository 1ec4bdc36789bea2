// tools/bench/bench.h: `hakmem bench`.
//
// Responsibility  Declare the subcommands, and hand over what the user asked for.
// Contract        Nothing runs while the command line is parsed: a mistake in it costs nothing.
// Observable      --help.
// Composable      Used by main.cpp. A further subcommand is a further declaration in bench.cpp.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace hakmem::bench {

// Declares `bench` and what is below it. After parsing, `*action` is what the user asked for.
void declare_bench(CLI::App* app, const std::string& command_line, std::function<int()>* action);

}  // namespace hakmem::bench
