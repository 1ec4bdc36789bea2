// support/crime.h: one program, one crime, the exact message.
//
//   CRIME("double-free on address 0x[0-9a-f]+ \\(block size 32, .*\\)") { ... }
//   CRIME_BY_FLAVOUR("... block size 64 ...", "... block size 80 ...") { ... }
//
// The block runs in a child of its own, which must die of SIGABRT after a report on stderr. Its first line
// is "==PID==ERROR: hakmem: " and the text, with addresses as the pattern leaves them open; then come
// details, and frames, of which one is this program's, by its build-id. The second form is for messages
// in which the hardened flavour differs: its canaries make blocks larger, and it notices more at once.
// Whatever lies on a thread's stacks reaches the bitmaps, where it is checked, with flush_caches().
#pragma once

#include "support/program.h"

static void commit_crime(void);

static inline void flush_caches(void) { malloc_trim(0); }

static int run_crime(void* ignored) {
  (void)ignored;
  commit_crime();
  return 0;
}

#define FRAME_OF(path) \
  "    #[0-9]+ 0x[0-9a-f]+ in [^\n]*" path "\\+0x[0-9a-f]+ \\(build-id [0-9a-f]+\\)\n"
#define FRAME FRAME_OF("")
// An emulator says what it did with the signal.
#define LAST_WORDS "(qemu: uncaught target signal 6 [^\n]*\n)?"

static int judge(const char* pattern) {
  char line[1024];
  snprintf(line, sizeof line,
           "^==[0-9]+==ERROR: hakmem: %s\n(    [^#\n][^\n]*\n)*(" FRAME ")+" LAST_WORDS "$", pattern);
  const struct outcome outcome = run_forked(run_crime, NULL);
  const int died = WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT;
  char own_frame[1024];
  snprintf(own_frame, sizeof own_frame, FRAME_OF("/%s"), program_invocation_short_name);
  if (died && matches(outcome.errors, line) && matches(outcome.errors, own_frame)) return finish();
  printf("status 0x%x\nexpected: %ssaid:     %s\n", outcome.status, line, outcome.errors);
  return 1;
}

#define CRIME(pattern)    \
  int main(void) {        \
    begin(20);            \
    return judge(pattern); \
  }                       \
  static void commit_crime(void)

#define CRIME_BY_FLAVOUR(in_default, in_hardened)          \
  int main(void) {                                         \
    begin(20);                                             \
    return judge(is_hardened() ? in_hardened : in_default); \
  }                                                        \
  static void commit_crime(void)

#define SLAB "slab 0x[0-9a-f]+, owner [0-9]+"
