// hak_counters(), malloc_stats and malloc_info show what was counted, from the first call on.
#include <pthread.h>

#include "support/program.h"

#include "hakmem/hakmem.h"

#pragma weak hak_counters

enum { kBlocks = 4000, kCounters = 256 };
static void* blocks[kBlocks];

static uint64_t value_of(const char* name) {
  struct hak_counter counters[kCounters];
  const size_t count = hak_counters(counters, kCounters);
  REQUIRE(count > 30 && count <= kCounters);
  for (size_t i = 0; i < count; ++i) {
    if (strcmp(counters[i].name, name) == 0) return counters[i].value;
  }
  say_failure(__FILE__, __LINE__, name);
  _exit(1);
}

static void* free_all(void* ignored) {
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  return NULL;
}

static void what_is_done_is_counted(void) {
  const uint64_t sent = value_of("blocks_sent");
  const uint64_t parked = value_of("caches_parked");
  const uint64_t locks = value_of("locks_acquired");
  const uint64_t mapped = value_of("huge_mapped");
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(100);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, free_all, NULL) == 0);
  pthread_join(thread, NULL);
  EXPECT(value_of("blocks_sent") >= sent + kBlocks);
  EXPECT(value_of("caches_parked") == parked + 1);
  EXPECT(value_of("locks_acquired") > locks);
  free(malloc(64 * MIB));
  EXPECT(value_of("huge_mapped") == mapped + 1);
}

static void asking_neither_counts_nor_fails(void) {
  errno = 0;
  const uint64_t locks = value_of("locks_acquired");
  EXPECT(hak_counters(NULL, 0) > 30);
  EXPECT(value_of("locks_acquired") == locks);
  EXPECT(errno == 0);
}

static int print_stats(void* ignored) {
  malloc_stats();
  return 0;
}

static void the_text_forms_have_them(void) {
  const struct outcome outcome = run_forked(print_stats, NULL);
  EXPECT(exited_with(&outcome, 0));
  EXPECT(matches(outcome.errors, "hakmem: pool_visits = [0-9]+ times"));
  EXPECT(matches(outcome.errors, "hakmem: locks_acquired = [0-9]+ times"));
  static char xml[64 * 1024];
  FILE* out = fmemopen(xml, sizeof xml, "w");
  EXPECT(malloc_info(0, out) == 0);
  fclose(out);
  EXPECT(matches(xml, "<counter name=\"system_calls\" unit=\"calls\" value=\"[1-9][0-9]*\"/>"));
}

int main(void) {
  begin(30);
  if (hak_counters == NULL) return SKIPPED;
  what_is_done_is_counted();
  asking_neither_counts_nor_fails();
  the_text_forms_have_them();
  return finish();
}
