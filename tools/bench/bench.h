// tools/bench/bench.h: `hakmem bench`, one subcommand a row of bench.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace hakmem::bench {

// Declares `bench` and what is below it. After parsing, `*action` is what the user asked for.
void declare_bench(CLI::App* app, const std::string& command_line, std::function<int()>* action);

}  // namespace hakmem::bench
