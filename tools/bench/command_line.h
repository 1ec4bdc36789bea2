// tools/bench/command_line.h: how to do it again.
//
// Responsibility  Write the command that made a report, for the report.
// Contract        A shell that reads it runs the same command with the same HAKMEM_ options.
// Observable      Nothing.
// Composable      Used by main.cpp.
#pragma once

#include <string>

namespace hakmem::bench {

// The command as a shell takes it, with the HAKMEM_ options in front that hold in it.
std::string shell_command(int argc, char** argv);

}  // namespace hakmem::bench
