#include "live.h"

#include <CLI/CLI.hpp>

#include "commands.h"

namespace hakmem::tools {

void declare_live(CLI::App* app, std::function<int()>* action) {
  declare_ps(app, action);
  declare_stat(app, action);
  declare_purge(app, action);
  declare_verify(app, action);
  declare_explain(app, action);
  declare_map(app, action);
  declare_top(app, action);
  declare_doctor(app, action);
  declare_serve(app, action);
  declare_profile(app, action);
}

}  // namespace hakmem::tools
