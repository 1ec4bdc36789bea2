// launch.cpp: run one program under a preloaded library and report what it cost.
//
// Usage     launch PARENT REPORT LIBRARY PROGRAM [ARGUMENT...]
//           PARENT is the pid of the caller; LIBRARY may be empty: the system's malloc.
// Report    line 1: pid of the program, written as soon as it is forked;
//           line 2: wait status, peak RSS in KiB (the largest process of its waited-for tree), wall
//           nanoseconds, user and system microseconds of that tree together.
//
// Why it exists: Linux hands the peak RSS of the forking process on to the program it executes, so
// that a program started from Python never seems smaller than Python. This launcher is static and
// stays under 1 MiB.

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int kCannotExecute = 127;
constexpr int kParentGone = 126;

long long now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

long long microseconds(const timeval& time) { return time.tv_sec * 1'000'000LL + time.tv_usec; }

// The test runner may be killed outright (a time limit of ctest): nothing it started may outlive
// it.
void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(kParentGone);  // it died before we asked
  }
}

[[noreturn]] void become_program(const char* library, char** argv) {
  if (library[0] != '\0') {
    setenv("LD_PRELOAD", library, 1);
  }
  execvp(argv[0], argv);
  perror(argv[0]);
  _exit(kCannotExecute);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    fputs("usage: launch PARENT REPORT LIBRARY PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  die_with_parent(static_cast<pid_t>(atoi(argv[1])));
  argv += 1;
  FILE* report = fopen(argv[1], "we");
  if (report == nullptr) {
    perror(argv[1]);
    return 2;
  }
  const long long start_ns = now_ns();
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) {
    perror("fork");
    return 2;
  }
  if (child == 0) {
    die_with_parent(self);
    become_program(argv[2], argv + 3);
  }
  fprintf(report, "%d\n", static_cast<int>(child));
  fflush(report);
  int status = 0;
  rusage usage{};
  while (wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) {
      perror("wait4");
      return 2;
    }
  }
  fprintf(report, "%d %ld %lld %lld\n", status, usage.ru_maxrss, now_ns() - start_ns,
          microseconds(usage.ru_utime) + microseconds(usage.ru_stime));
  return fclose(report) == 0 ? 0 : 2;
}
