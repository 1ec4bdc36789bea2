// Nothing in the malloc family is a cancellation point: a thread with a cancellation pending lives
// through all of it.
#include <pthread.h>

#include "support/program.h"

enum { kThreads = 20, kBlocks = 3000 };

static void use_everything(unsigned seed) {
  void* blocks[kBlocks];
  uint32_t random = seed + 1;
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(next_random(&random) % 5000);
  for (int i = 0; i < kBlocks; ++i) blocks[i] = realloc(blocks[i], next_random(&random) % 9000 + 1);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  for (int i = 0; i < 12; ++i) {
    void* block = calloc(1, (size_t)i * MIB);
    block = realloc(block, (size_t)(12 - i) * MIB);
    free(block);
    free(memalign((size_t)16 << i, 1000));
  }
  free(valloc(1));
  free(pvalloc(1));
  (void)mallinfo2();
  (void)malloc_usable_size(NULL);
  malloc_trim(0);
  if (hak_check != NULL) (void)hak_check();
  free(malloc((size_t)1 << 60));
}

static void* cancelled(void* finished) {
  pthread_cancel(pthread_self());
  use_everything((unsigned)(uintptr_t)&finished);
  *(int*)finished = 1;
  pthread_testcancel();
  *(int*)finished = 2;
  return NULL;
}

int main(void) {
  begin(20);
  pthread_t threads[kThreads];
  int finished[kThreads] = {0};
  for (int i = 0; i < kThreads; ++i) {
    REQUIRE(pthread_create(&threads[i], NULL, cancelled, &finished[i]) == 0);
  }
  for (int i = 0; i < kThreads; ++i) {
    void* result = NULL;
    pthread_join(threads[i], &result);
    EXPECT(result == PTHREAD_CANCELED);
    EXPECT(finished[i] == 1);
  }
  return finish();
}
