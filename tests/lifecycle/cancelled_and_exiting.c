// Threads that are cancelled between allocations, or leave with pthread_exit, in a storm; and a
// process that exits, or quick_exits, while its threads are inside malloc.
#include <pthread.h>

#include "support/program.h"

static void free_blocks(void* blocks) {
  for (int i = 0; i < 100; ++i) free(((void**)blocks)[i]);
}

static void* storm(void* argument) {
  void* blocks[100] = {0};
  uint32_t random = (uint32_t)(uintptr_t)argument * 77 + 5;
  pthread_cleanup_push(free_blocks, blocks);
  for (int turn = 0; argument == NULL || turn < 400000; ++turn) {
    const uint32_t r = next_random(&random);
    void* old = blocks[r % 100];
    blocks[r % 100] = NULL;
    free(old);
    blocks[r % 100] = malloc((r >> 10) % 5000);
    if (r % 64 == 0) pthread_testcancel();
    if (r % 100000 == 7) pthread_exit(NULL);
  }
  pthread_cleanup_pop(1);
  return NULL;
}

static int exit_in_storm(void* how) {
  pthread_t thread;
  for (int i = 0; i < 4; ++i) REQUIRE(pthread_create(&thread, NULL, storm, NULL) == 0);
  for (int i = 0; i < 2000; ++i) free(malloc((size_t)i * 10));
  if (how == NULL) exit(0);
  quick_exit(0);
}

int main(void) {
  begin(20);
  const long waves = how_many(40);
  for (long wave = 0; wave < waves; ++wave) {
    pthread_t threads[8];
    for (long i = 0; i < 8; ++i) {
      REQUIRE(pthread_create(&threads[i], NULL, storm, (void*)(wave * 8 + i + 1)) == 0);
    }
    for (int i = 0; i < 8; ++i) {
      free(malloc(1000));
      EXPECT(pthread_cancel(threads[i]) == 0);
    }
    for (int i = 0; i < 8; ++i) pthread_join(threads[i], NULL);
  }
  EXPECT_SOUND_HEAP();
  for (long turn = 0; turn < waves / 2; ++turn) {
    const struct outcome outcome = run_forked(exit_in_storm, turn % 2 == 0 ? NULL : &turn);
    EXPECT_SUCCESS(outcome);
  }
  return finish();
}
