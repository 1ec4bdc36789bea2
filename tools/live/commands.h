// tools/live/commands.h: one declaration a command; each adds its options to `app`, see live.h.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace hakmem::tools {

using Action = std::function<int()>;

void declare_ps(CLI::App* app, Action* action);
void declare_stat(CLI::App* app, Action* action);
void declare_purge(CLI::App* app, Action* action);
void declare_verify(CLI::App* app, Action* action);
void declare_explain(CLI::App* app, Action* action);
void declare_map(CLI::App* app, Action* action);
void declare_top(CLI::App* app, Action* action);
void declare_doctor(CLI::App* app, Action* action);
void declare_serve(CLI::App* app, Action* action);
void declare_profile(CLI::App* app, Action* action);

}  // namespace hakmem::tools
