// tools/manual.h: man pages and shell completions.
//
// Responsibility  Write out what the command line declares, for man(1) and for shells.
// Contract        Everything comes from the declared commands and options and from the library's option table, so
//                 that nothing has to be kept in step. Used when the command is built, to install the results.
// Observable      Texts, and a folder of them.
// Composable      CLI11, config. Used by main.
#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace hakmem::tools {

// `page`: "hakmem", "hakmem-stat" and so on, or "libhakmem" (section 3). Nothing for another name.
std::optional<std::string> man_page(const CLI::App& app, const std::string& page);

// `shell`: "bash", "zsh" or "fish".
std::optional<std::string> completion(const CLI::App& app, const std::string& shell);

// All of them, where `cmake --install` takes them to below share/.
void write_manual(const CLI::App& app, const std::string& folder);

}  // namespace hakmem::tools
