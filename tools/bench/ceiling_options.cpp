#include "ceiling_options.h"

#include <CLI/CLI.hpp>

namespace hakmem::bench {
namespace {

constexpr const char* kDescription =
    "Run the suite's ceiling rows under hakmem and under BenchFast, which has hakmem's size "
    "classes\n"
    "and does nothing but push and pop, and say how much of that hakmem reaches.";

constexpr const char* kDetails =
    "normal / ceiling is taken within each round, turned so that 1 is the ceiling and less is "
    "less;\n"
    "reported are the median and the range. Above 1 is possible: BenchFast's lists run through "
    "the\n"
    "blocks, which hakmem's do not, and what a push or pop then waits for is memory.\n"
    "libhakmem-benchfast.so is no allocator: it never returns memory and has a fixed number of\n"
    "blocks. A run in which they do not last says so and does not count; its row is then invalid,\n"
    "and the exit status 1.\n\n"
    "--instructions also counts, with valgrind's callgrind, what malloc and free execute for one\n"
    "pair in the steady state: two runs of different length, divided by the difference. hakmem's\n"
    "ticks go by the clock, and come as much more often there as valgrind is slower: its counts\n"
    "are too high by that, and differ from run to run.\n\n"
    "Exit status\n"
    "  0  measured                       3  a file is missing\n"
    "  1  a row is invalid               4  a file cannot be used\n"
    "  2  command line or suite          128 + N  ended early by signal N\n";

}  // namespace

void declare_ceiling_options(CLI::App* command, CeilingOptions* options) {
  command->description(kDescription);
  command->footer(kDetails);
  command->add_option("--rows", options->rows, "only these of the rows with a ceiling")
      ->delimiter(',')
      ->type_name("NAME,...");
  command->add_option("--rounds", options->rounds, "how often each of the two runs each row")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_flag("--instructions", options->instructions, "count instructions, too (callgrind)");
  command->add_flag("--list", options->list, "print the rows with a ceiling, and measure nothing");
  command->add_option("--seed", options->seed, "of the order within a round")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--suite", options->suite, "the rows; default: bench/suite.json of the build")
      ->type_name("FILE");
  command->add_option("--bench-dir", options->bench_folder, "where the workloads are")
      ->type_name("DIR");
  command->add_option("--hakmem", options->hakmem, "the libhakmem.so to judge")->type_name("PATH");
  command
      ->add_option("--ceiling", options->ceiling,
                   "the libhakmem-benchfast.so; default: beside this command")
      ->type_name("PATH");
}

}  // namespace hakmem::bench
