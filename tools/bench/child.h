// tools/bench/child.h: one measured process.
//
// Responsibility  Start a program, collect what it prints, and end it and its children when it
//                 takes too long or the user interrupts.
// Contract        run_child(): the process was waited for when it returns. The child gets exactly
//                 the environment given, /dev/null as stdin, default signals and a process group of
//                 its own, so that Ctrl-C reaches this command alone.
// Observable      How it ended; the first MiB of stdout and of stderr.
// Composable      Needs an Interrupt to be alive for interruption to be noticed.
#pragma once

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

namespace hakmem::bench {

struct ChildResult {
  enum class End { kExited, kSignalled, kTimedOut, kInterrupted, kNotStarted };
  End end = End::kNotStarted;
  int value = 0;  // exit status, signal, or errno
  std::string out;
  std::string err;
};

ChildResult run_child(const std::vector<std::string>& command,
                      const std::vector<std::string>& environment, std::chrono::seconds timeout);

// The interrupting signals (SIGINT, SIGTERM, SIGHUP) as a flag for as long as it lives. They are
// blocked except while a child is waited for, so none can fall between a look and a wait.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // The signal that came, or 0.
  [[nodiscard]] static int pending();

 private:
  sigset_t old_mask_;
  struct sigaction old_[3];
};

}  // namespace hakmem::bench
