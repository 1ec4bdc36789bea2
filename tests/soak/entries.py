"""What `make soak` runs: one row an entry, in this order.

A row of PROGRAMS is a program of tests/, which the tests run too, there with a count of its own: its
TEST_COUNT is this count, its TEST_SECONDS these seconds. A row of COMMANDS is anything else, for example a fuzzer: {build},
{library}, {hardened}, {count} and {seconds} are filled in, exit 0 is success and 77 is skipped; what it needs must be built.

The count is what 30 minutes of soak take; with --minutes it becomes smaller in proportion, but not below `least`, the
count of the tests. Seconds are a limit, and never scaled.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    fault: str  # what is done to the process
    name: str  # of the program, <folder>_<file>; of a command any word
    count: int
    least: int
    unit: str
    seconds: int
    command: tuple = ()
    hardened: bool = False  # under libhakmem-hardened.so


PROGRAMS = [
    Entry("growth, churn and idleness in turn", "lifecycle_phases", 1800, 5, "seconds", 2400),
    Entry("forks amid 64 allocating threads", "lifecycle_fork_storm", 10_000, 100, "forks", 3600),
    Entry("the forks, hardened", "lifecycle_fork_storm", 1_000, 100, "forks", 1800, hardened=True),
    Entry("threads one after another, 64 alive", "lifecycle_many_threads", 100_000, 20_000, "threads", 600),
    Entry("the threads, 64 alive, hardened", "lifecycle_many_threads", 100_000, 20_000, "threads", 900, hardened=True),
    Entry("threads that leave their blocks to others", "lifecycle_owners_leave", 12_000, 1_200, "threads", 600),
    Entry("threads without a key", "lifecycle_no_keys", 20_000, 500, "threads", 600),
    Entry("a thread that never allocates frees all", "lifecycle_pure_freer", 20_000_000, 1_000_000,
          "blocks of each of 4 threads", 900),
    Entry("cancellation, pthread_exit, exit in a storm", "lifecycle_cancelled_and_exiting", 1_000, 40, "waves", 900),
    Entry("vfork, posix_spawn, system, popen in a storm", "lifecycle_children", 1_000, 60, "rounds", 900),
    Entry("clone without fork handlers, and sharing memory", "lifecycle_raw_clone", 5_000, 50, "rounds", 600),
    Entry("exit in a handler that interrupted malloc", "lifecycle_exit_in_handler", 5_000, 150, "exits", 1800),
    Entry("a handler that allocates, every 200 us", "lifecycle_handler_timer", 250_000, 2_500, "signals", 900),
    Entry("thread-exit destructors that allocate", "lifecycle_thread_exit_destructors", 60, 3, "waves of 400", 900),
    Entry("dlopen, dlclose with thread-local destructors", "lifecycle_unloaded_libraries", 10_000, 200, "loads", 900),
    Entry("system calls refused, each in turn", "lifecycle_refused_calls", 1_000, 5, "places a call at most", 3600),
    Entry("the refused calls, hardened", "lifecycle_refused_calls", 1_000, 5, "places a call at most", 3600, hardened=True),
]

COMMANDS = [
    Entry("messages, adoption and purge, scheduled by seed", "schedule", 200_000, 2_000, "seeds", 7200,
          ("{build}/tests/test_schedule", "--first", "10000", "--count", "{count}")),
    Entry("huge blocks beside the scavenger, scheduled by seed", "scavenger", 20_000, 300, "seeds", 7200,
          ("{build}/tests/test_scavenger", "--first", "1000", "--count", "{count}")),
    Entry("each call of a system of the test's own refused", "fakeos", 1, 1, "time all", 3600,
          ("env", "TEST_STRIDE=1", "{build}/tests/test_fakeos", "--gtest_brief=1")),
    Entry("the interface against the model, fuzzed", "fuzz_api", 100_000_000, 80_000, "operations", 5 * 3600,
          ("python3", "tests/fuzz/run.py", "{build}/../ubsan/tests/fuzz_api", "--operations", "{count}")),
    Entry("garbage freed, fuzzed", "fuzz_garbage", 10_000_000, 120_000, "operations", 3600,
          ("python3", "tests/fuzz/run.py", "{build}/../ubsan/tests/fuzz_garbage", "--operations", "{count}")),
    Entry("each line of the mutation table broken", "mutation", 1, 1, "time all", 7200, ("python3", "tests/mutation/run.py")),
    Entry("the protocols, all interleavings", "model", 1, 1, "time all", 1800, ("python3", "tests/model/run.py")),
]

ENTRIES = PROGRAMS + COMMANDS
