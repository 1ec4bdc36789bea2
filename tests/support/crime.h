// support/crime.h: one program, one crime, the exact message.
//
//   CRIME("double-free on address 0x[0-9a-f]+ \\(block size 32, .*\\)") { ... }
//
// The block runs in a child of its own, which must die of SIGABRT after one line on stderr:
// "==PID==ERROR: hakmem: " and the text, with addresses as the pattern leaves them open. Whatever
// lies on a thread's stacks reaches the bitmaps, where it is checked, with flush_caches().
#pragma once

#include "support/program.h"

static void commit_crime(void);

static inline void flush_caches(void) { malloc_trim(0); }

static int run_crime(void* ignored) {
  (void)ignored;
  commit_crime();
  return 0;
}

static int judge(const char* pattern) {
  char line[1024];
  snprintf(line, sizeof line, "^==[0-9]+==ERROR: hakmem: %s\n$", pattern);
  const struct outcome outcome = run_forked(run_crime, NULL);
  const int died = WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT;
  if (died && matches(outcome.errors, line)) return finish();
  printf("status 0x%x\nexpected: %ssaid:     %s\n", outcome.status, line, outcome.errors);
  return 1;
}

#define CRIME(pattern)    \
  int main(void) {        \
    begin(20);            \
    return judge(pattern); \
  }                       \
  static void commit_crime(void)

#define SLAB "slab 0x[0-9a-f]+, owner [0-9]+"
