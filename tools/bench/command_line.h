// tools/bench/command_line.h: how to do it again.
#pragma once

#include <string>

namespace hakmem::bench {

// The command as a shell takes it, with the HAKMEM_ options in front that hold in it.
std::string shell_command(int argc, char** argv);

}  // namespace hakmem::bench
