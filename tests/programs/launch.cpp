// launch.cpp: run one program under a preloaded library and report what it cost.
//
// Usage     launch PARENT REPORT LIBRARY PROGRAM [ARGUMENT...]
//           PARENT is the pid of the caller; LIBRARY may be empty: the system's malloc.
// Report    line 1: pid of the program, written as soon as it is forked;
//           line 2: wait status, peak RSS in KiB (the largest process of its waited-for tree), wall
//           nanoseconds, user and system microseconds of that tree together.
//           In REPORT.end, what the program's main process was at its end, before its memory went: exe, comm,
//           statm and maps from /proc. It is stopped there meanwhile, so no busy machine makes us miss it. Where
//           the system does not let us trace a child there is no such file.
//
// Why it exists: Linux hands the peak RSS of the forking process on to the program it executes, so
// that a program started from Python never seems smaller than Python. This launcher is static and
// stays under 1 MiB.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

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

// One line, or all of the file.
void append_file(FILE* out, pid_t pid, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(pid), name);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return;
  char text[4096];
  for (size_t got; (got = fread(text, 1, sizeof text, file)) != 0;) fwrite(text, 1, got, out);
  fclose(file);
}

// The program has called exit, and its memory is still there.
void note_end(const char* report, pid_t pid) {
  char path[4096];
  snprintf(path, sizeof path, "%s.end", report);
  FILE* out = fopen(path, "we");
  if (out == nullptr) return;
  snprintf(path, sizeof path, "/proc/%d/exe", static_cast<int>(pid));
  char exe[4096];
  const ssize_t length = readlink(path, exe, sizeof exe);
  fprintf(out, "%.*s\n", static_cast<int>(length < 0 ? 0 : length), exe);
  for (const char* name : {"comm", "statm", "maps"}) append_file(out, pid, name);
  fclose(out);
}

// A stop of the traced program: its end, a signal on its way, or a stop that a signal asked for.
void let_go_on(const char* report, pid_t pid, int status) {
  const int number = WSTOPSIG(status);
  const int event = status >> 16;
  if (event == PTRACE_EVENT_EXIT) {
    note_end(report, pid);
    ptrace(PTRACE_CONT, pid, nullptr, nullptr);
  } else if (event == PTRACE_EVENT_STOP) {
    const bool is_stop = number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
    ptrace(is_stop ? PTRACE_LISTEN : PTRACE_CONT, pid, nullptr, nullptr);
  } else {
    ptrace(PTRACE_CONT, pid, nullptr, reinterpret_cast<void*>(static_cast<long>(number)));
  }
}

// False when it cannot be waited for. The time that it stood at its end is not its own.
bool wait_for_end(const char* report, pid_t pid, int* status, rusage* usage, long long* stood_ns) {
  for (;;) {
    if (wait4(pid, status, 0, usage) < 0) {
      if (errno == EINTR) continue;
      perror("wait4");
      return false;
    }
    if (!WIFSTOPPED(*status)) return true;
    const long long start_ns = now_ns();
    let_go_on(report, pid, *status);
    *stood_ns += now_ns() - start_ns;
  }
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
  int gate[2];
  if (pipe2(gate, O_CLOEXEC) != 0) {
    perror("pipe2");
    return 2;
  }
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) {
    perror("fork");
    return 2;
  }
  if (child == 0) {
    die_with_parent(self);
    // Until it is traced, or cannot be.
    close(gate[1]);
    char none;
    if (read(gate[0], &none, 1) < 0) _exit(kParentGone);
    become_program(argv[2], argv + 3);
  }
  fprintf(report, "%d\n", static_cast<int>(child));
  fflush(report);
  ptrace(PTRACE_SEIZE, child, nullptr, reinterpret_cast<void*>(static_cast<long>(PTRACE_O_TRACEEXIT)));
  const long long start_ns = now_ns();
  close(gate[1]);
  int status = 0;
  rusage usage{};
  long long stood_ns = 0;
  if (!wait_for_end(argv[1], child, &status, &usage, &stood_ns)) return 2;
  fprintf(report, "%d %ld %lld %lld\n", status, usage.ru_maxrss, now_ns() - start_ns - stood_ns,
          microseconds(usage.ru_utime) + microseconds(usage.ru_stime));
  return fclose(report) == 0 ? 0 : 2;
}
