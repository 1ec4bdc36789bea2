#include "scale_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace hakmem::bench {
namespace {

constexpr const char* kDescription =
    "Count what hakmem does behind its fast paths for a thousand operations, with few threads and\n"
    "with many, with few live blocks and with many, and say what is not flat.";

constexpr const char* kDetails =
    "Each thread frees one of its own blocks and allocates another, again and again; a share of "
    "the\n"
    "frees is another thread's (bench/workloads/scale.cpp). It counts and does not time: a count "
    "does\n"
    "not depend on how many cores there are, but for the columns \"contended\" and \"ticks\".\n\n"
    "Columns, per thousand calls of malloc and free\n"
    "  slow paths   calls that the thread's stacks did not serve at once\n"
    "  refills      stacks that got blocks from slabs or gave some back\n"
    "  ticks        deferred work; by the clock, every 50 ms for each thread, so more threads "
    "than\n"
    "               cores have more of it per operation\n"
    "  locks        locks taken\n"
    "  shared       of these, those that there is one of in the process\n"
    "  contended    locks that somebody else held when they were asked for\n"
    "  atomics      atomic read-modify-writes, those of the locks included\n"
    "  messages     batches of blocks that another thread freed; behind it, blocks in each\n"
    "  pool visits  slabs asked for, given back, resized or adopted\n"
    "  sys. calls   system calls of the allocator\n\n"
    "A column is not flat when a figure is more than 1.5 times its base, and above it by more "
    "than\n"
    "could be felt. The base is the figure with the fewest threads (where only other threads' "
    "frees\n"
    "make the column, with the fewest of several), or with the fewest live blocks.\n\n"
    "Exit status\n"
    "  0  measured                       3  a file is missing\n"
    "  1  --fail-on-growth applies, or   4  a file cannot be used\n"
    "     a run failed                   5  the library has no counters\n"
    "  2  command line                   128 + N  ended early by signal N\n";

template <class Number>
void sort_and_unify(std::vector<Number>& numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

}  // namespace

void declare_scale_options(CLI::App* command, ScaleOptions* options) {
  command->description(kDescription);
  command->footer(kDetails);
  command->add_option("--threads", options->threads, "numbers of threads; default: 1,2,8,64,512")
      ->delimiter(',')
      ->type_name("N,...")
      ->check(CLI::Range(1, 4096));
  command
      ->add_option("--live", options->live,
                   "live blocks of all threads together; default: 1000,100000,10000000")
      ->delimiter(',')
      ->type_name("N,...")
      ->check(CLI::Range(1, 1 << 30));
  command->add_option("--remote", options->remote_percent, "share of frees by another thread")
      ->type_name("PERCENT")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command
      ->add_option("--partners", options->partners,
                   "a thread's blocks are freed by so many others; 0: by all")
      ->type_name("N")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->add_option("--min", options->min_bytes, "smallest size")
      ->type_name("BYTES")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command
      ->add_option("--max", options->max_bytes,
                   "largest size; as many between 16 and 32 as between 512 and 1024")
      ->type_name("BYTES")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "how often each point runs; default: 1")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option(
          "--steps", options->steps,
          "of each thread, a free and a malloc each, after as many to warm up;\ndefault: 50000")
      ->type_name("N")
      ->check(CLI::Range(100, 1 << 30));
  command->add_flag("--quick", options->quick, "threads 1,2,8,64, live 1000,100000, 10000 steps");
  command->add_flag("--fail-on-growth", options->fail_on_growth,
                    "exit 1 when a column is not flat, or a sleeping thread keeps too much");
  command->add_flag("--no-progress", options->no_progress, "no progress line");
  command->add_option("--json", options->json, "write everything that was counted to FILE")
      ->type_name("FILE");
  command->add_option("--bench-dir", options->bench_folder, "where the workloads are")
      ->type_name("DIR");
  command->add_option("--hakmem", options->hakmem, "the libhakmem.so to judge")->type_name("PATH");
}

ScaleOptions with_defaults(ScaleOptions options) {
  if (options.threads.empty()) {
    options.threads = options.quick ? std::vector<unsigned>{1, 2, 8, 64}
                                    : std::vector<unsigned>{1, 2, 8, 64, 512};
  }
  if (options.live.empty()) {
    options.live = options.quick ? std::vector<std::uint64_t>{1000, 100'000}
                                 : std::vector<std::uint64_t>{1000, 100'000, 10'000'000};
  }
  if (options.steps == 0) options.steps = options.quick ? 10'000 : 50'000;
  sort_and_unify(options.threads);
  sort_and_unify(options.live);
  return options;
}

}  // namespace hakmem::bench
