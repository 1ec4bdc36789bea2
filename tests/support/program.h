// support/program.h: what the stand-alone test programs share (C and C++; nothing to link).
//
// A program first proves whose malloc it has, then makes its checks. It exits 0, or 1 after a line
// for each check that failed, or 77 when the machine does not let it test. It may start itself
// again (run_self) where a process has to be limited, broken or killed. finish(), its last line, has the whole
// heap checked. TEST_ANY_MALLOC=1 lets it run on another malloc, to see that the test itself is right.
//
// A program that says how_many(n) does its fault n times in the tests and TEST_COUNT times in `make soak`,
// where TEST_SECONDS is the time it has.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#ifdef __cplusplus
#define TYPED(type) (type)
extern "C" {
#else
#define TYPED(type)
#endif
// This libc does not have the two of C23 yet, and cfree no more.
void free_sized(void* block, size_t size) __attribute__((weak));
void cfree(void* block) __attribute__((weak));
void free_aligned_sized(void* block, size_t alignment, size_t size) __attribute__((weak));
const char* hak_check(void) __attribute__((weak));
const char* hak_check_stopped(void) __attribute__((weak));
#ifdef __cplusplus
}
#endif

static int program_failures;

// Also after the heap is broken or refuses: no stdio.
static inline void say(const char* text) {
  ssize_t ignored = write(2, text, strlen(text));
  (void)ignored;
}

static inline void say_failure(const char* file, int line, const char* text) {
  char message[512];
  snprintf(message, sizeof message, "%s:%d: %s\n", file, line, text);
  say(message);
}

#define EXPECT(condition)                                                         \
  do {                                                                            \
    if (!(condition)) {                                                           \
      if (__sync_fetch_and_add(&program_failures, 1) < 20) {                      \
        say_failure(__FILE__, __LINE__, "expected " #condition);                  \
      }                                                                           \
    }                                                                             \
  } while (0)

// For what the rest of the program depends on.
#define REQUIRE(condition)                                    \
  do {                                                        \
    if (!(condition)) {                                       \
      say_failure(__FILE__, __LINE__, "required " #condition); \
      _exit(1);                                               \
    }                                                         \
  } while (0)

// All of the heap's equations hold. No other thread of this process may be inside the allocator.
static inline void expect_sound_heap(const char* file, int line) {
  const char* violation = hak_check_stopped == NULL ? NULL : hak_check_stopped();
  if (violation == NULL) return;
  __sync_fetch_and_add(&program_failures, 1);
  say_failure(file, line, violation);
}
#define EXPECT_SOUND_HEAP() expect_sound_heap(__FILE__, __LINE__)

// The end of each program, and of each child of its own: its exit status. Threads have ended, or wait.
static inline int finish(void) {
  EXPECT_SOUND_HEAP();
  return program_failures == 0 ? 0 : 1;
}

static inline int any_malloc_will_do(void) { return getenv("TEST_ANY_MALLOC") != NULL; }

static inline int is_of_hakmem(void* function) {
#ifdef TEST_STATIC
  return hak_check != NULL;  // it lies in the one member of the archive that has malloc
#endif
  Dl_info info;
  return dladdr(function, &info) != 0 && info.dli_fname != NULL &&
         strstr(info.dli_fname, "libhakmem") != NULL;
}

// The hardened flavour ends a program for mistakes that the default one survives, and takes more memory.
static inline int is_hardened(void) {
  Dl_info info;
  return dladdr((void*)&malloc, &info) != 0 && info.dli_fname != NULL &&
         strstr(info.dli_fname, "libhakmem-hardened") != NULL;
}

static inline long number_of_environment(const char* name, long otherwise) {
  const char* text = getenv(name);
  const long number = text == NULL ? 0 : strtol(text, NULL, 10);
  return number > 0 ? number : otherwise;
}

static inline long how_many(long in_tests) { return number_of_environment("TEST_COUNT", in_tests); }

static inline unsigned seconds_for(unsigned in_tests) {
  return (unsigned)number_of_environment("TEST_SECONDS", in_tests);
}

static inline uint64_t now_ms(void);

// How often a fault is done where faults may be dear: some machines take ten times as long for a signal, a page
// fault or a fork. In the tests `seconds` from `begun_ms` on are enough, once it was done `least` times.
static inline int is_enough(long done, long wanted, long least, uint64_t begun_ms, unsigned seconds) {
  if (done >= wanted) return 1;
  return getenv("TEST_COUNT") == NULL && done >= least && now_ms() - begun_ms >= 1000 * (uint64_t)seconds;
}

// The first line of main(). A test that hangs dies of SIGALRM.
static inline void begin(unsigned seconds) {
  signal(SIGALRM, SIG_DFL);
  alarm(seconds_for(seconds));
  // What an emulator was told to pretend.
  const long page_bytes = number_of_environment("TEST_PAGE_BYTES", 0);
  if (page_bytes != 0) REQUIRE(sysconf(_SC_PAGESIZE) == page_bytes);
  if (any_malloc_will_do()) return;
  REQUIRE(is_of_hakmem((void*)&malloc));
  REQUIRE(is_of_hakmem((void*)&free));
}

// In bytes whatever the size of a page: statm counts the machine's pages, and an emulator may pretend others. Its own
// memory is among them, so no program is held to a bound there.
static inline size_t resident_bytes(void) {
  char text[4096];
  if (getenv("TEST_EMULATOR") != NULL) return 0;
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  REQUIRE(length > 0);
  text[length] = '\0';
  const char* resident = strstr(text, "\nVmRSS:");
  REQUIRE(resident != NULL);
  return strtoul(resident + 7, NULL, 10) * KIB;
}

static inline uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline int threads_now(void) {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  REQUIRE(tasks != NULL);
  for (struct dirent* entry; (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static inline uint32_t next_random(uint32_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

// A block that knows its own size and pattern; at least 8 bytes.
static inline void mark(void* block, size_t size) {
  const size_t words = size / 8;
  uint64_t* word = (uint64_t*)block;
  word[0] = size ^ (uintptr_t)0x5a5a5a5a5a5a5a5a;
  if (words > 1) word[words - 1] = (uint64_t)(uintptr_t)block ^ size;
  if (words > 2) word[words / 2] = ~(uint64_t)(uintptr_t)block;
  if (words > 1) word[words - 1] = (uint64_t)(uintptr_t)block ^ size;
}
static inline int is_marked(const void* block, size_t size) {
  const size_t words = size / 8;
  const uint64_t* word = (const uint64_t*)block;
  if (words > 1 && word[words - 1] != ((uint64_t)(uintptr_t)block ^ size)) return 0;
  return word[0] == (size ^ (uintptr_t)0x5a5a5a5a5a5a5a5a);
}

// --- This program again, in a child.

struct outcome {
  int status;         // as waitpid() gives it
  char errors[16384];  // what it wrote on stderr, and cut there
};

static inline int exited_with(const struct outcome* outcome, int code) {
  return WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == code;
}

// A child that hangs, be it inside fork itself, is killed when its time is up.
static volatile pid_t guarded_child;
static void kill_guarded_child(int number) {
  kill(guarded_child, SIGKILL);
  alarm(1);
}
static unsigned guard(pid_t child, unsigned seconds) {
  guarded_child = child;
  signal(SIGALRM, kill_guarded_child);
  return alarm(seconds);
}
// The program's own time goes on meanwhile, roughly: a child that took all of its own uses it up.
static void end_guard(unsigned seconds_left, unsigned seconds) {
  const unsigned used = seconds - alarm(0);
  alarm(seconds_left > used ? seconds_left - used : 1);
  signal(SIGALRM, SIG_DFL);
}

// Its status; SIGKILL's when it took longer.
static int wait_at_most(pid_t child, unsigned seconds) {
  int status = 0;
  const unsigned left = guard(child, seconds);
  while (waitpid(child, &status, 0) != child) REQUIRE(errno == EINTR);
  end_guard(left, seconds);
  return status;
}

static inline void collect(pid_t child, int pipe_end, struct outcome* outcome) {
  size_t length = 0;
  char rest[512];
  const unsigned seconds = seconds_for(20);
  const unsigned left = guard(child, seconds);
  for (;;) {
    const size_t room = sizeof outcome->errors - 1 - length;
    const ssize_t got = room != 0 ? read(pipe_end, outcome->errors + length, room)
                                  : read(pipe_end, rest, sizeof rest);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (room != 0) length += (size_t)got;
  }
  outcome->errors[length] = '\0';
  close(pipe_end);
  while (waitpid(child, &outcome->status, 0) != child) REQUIRE(errno == EINTR);
  end_guard(left, seconds);
}

// Runs body(argument) in a forked child; its return value is the exit status.
static inline struct outcome run_forked(int (*body)(void*), void* argument) {
  struct outcome outcome;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    alarm(seconds_for(20));
    program_failures = 0;
    _exit(body(argument));
  }
  close(ends[1]);
  collect(child, ends[0], &outcome);
  return outcome;
}

struct restart {
  const char* scene;        // argv[1]
  const char* environment;  // "NAME=value" to add, or NULL
  int resource;             // limit to set, when bytes is not 0
  rlim_t bytes;
};

static inline int restart_body(void* argument) {
  const struct restart* restart = (const struct restart*)argument;
  if (restart->environment != NULL) putenv((char*)restart->environment);
  if (restart->bytes != 0) {
    const struct rlimit limit = {restart->bytes, restart->bytes};
    if (setrlimit((__rlimit_resource_t)restart->resource, &limit) != 0) return SKIPPED;
  }
  execl("/proc/self/exe", "/proc/self/exe", restart->scene, (char*)NULL);
  return 126;
}

// Runs this program with argv[1] = scene, from exec on.
static inline struct outcome run_self(const char* scene, const char* environment) {
  struct restart restart = {scene, environment, 0, 0};
  return run_forked(restart_body, &restart);
}

static inline struct outcome run_self_limited(const char* scene, int resource, rlim_t bytes) {
  struct restart restart = {scene, NULL, resource, bytes};
  return run_forked(restart_body, &restart);
}

static inline int is_scene(int argc, char** argv, const char* scene) {
  return argc > 1 && strcmp(argv[1], scene) == 0;
}

static inline void expect_success(const char* file, int line, const struct outcome* outcome) {
  char text[300];
  if (exited_with(outcome, 0)) return;
  __sync_fetch_and_add(&program_failures, 1);
  snprintf(text, sizeof text, "the child ended with status 0x%x, saying:", outcome->status);
  say_failure(file, line, text);
  say(outcome->errors);
}
#define EXPECT_SUCCESS(outcome) expect_success(__FILE__, __LINE__, &(outcome))

static inline int matches(const char* text, const char* pattern) {
  regex_t compiled;
  REQUIRE(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) == 0);
  const int found = regexec(&compiled, text, 0, NULL, 0) == 0;
  regfree(&compiled);
  return found;
}
