#include "bench.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "ceiling.h"
#include "ceiling_options.h"
#include "compare.h"
#include "compare_options.h"
#include "scale.h"
#include "scale_options.h"

namespace hakmem::bench {
namespace {

constexpr const char* kDetails =
    "The workloads are programs of bench/workloads and real programs; bench/suite.json lists "
    "them.\n"
    "`hakmem bench compare --list` shows rows and allocators, `--help` of a command its options.";

}  // namespace

void declare_bench(CLI::App* app, const std::string& command_line, std::function<int()>* action) {
  CLI::App* bench = app->add_subcommand("bench", "Measure hakmem beside other allocators");
  bench->require_subcommand(1);
  bench->footer(kDetails);

  CLI::App* command = bench->add_subcommand("compare", "");
  const auto options = std::make_shared<CompareOptions>();
  declare_compare_options(command, options.get());
  command->callback([=] { *action = [=] { return compare(*options, command_line); }; });

  CLI::App* ceiling_command = bench->add_subcommand("ceiling", "");
  const auto ceiling_options = std::make_shared<CeilingOptions>();
  declare_ceiling_options(ceiling_command, ceiling_options.get());
  ceiling_command->callback([=] { *action = [=] { return ceiling(*ceiling_options); }; });

  CLI::App* scale_command = bench->add_subcommand("scale", "");
  const auto scale_options = std::make_shared<ScaleOptions>();
  declare_scale_options(scale_command, scale_options.get());
  scale_command->callback(
      [=] { *action = [=] { return scale(*scale_options, command_line); }; });
}

}  // namespace hakmem::bench
