// Another thread frees the last block of each page of a heap whose owner sleeps: what is on its way to him
// would keep as many pages, so the scavenger takes it in for him.
#include <pthread.h>
#include <semaphore.h>

#include "support/program.h"

enum { kBlocks = 40000, kBlockBytes = 1000, kInAPage = 4 };
static void* blocks[kBlocks];
static sem_t made, let_go;

static void* own(void* ignored) {
  for (int i = 0; i < kBlocks; ++i) {
    blocks[i] = malloc(kBlockBytes);
    REQUIRE(blocks[i] != NULL);
    memset(blocks[i], 1, kBlockBytes);
  }
  sem_post(&made);
  while (sem_wait(&let_go) != 0) {
  }
  return NULL;
}

static void free_where(int last_of_page) {
  for (int i = 0; i < kBlocks; ++i) {
    if ((i % kInAPage == 0) == last_of_page) free(blocks[i]);
  }
}

int main(void) {
  begin(30);
  if (is_hardened()) return SKIPPED;  // its quarantine keeps the last ones
  pthread_t owner;
  free(malloc(100));
  const size_t before = resident_bytes();
  REQUIRE(sem_init(&made, 0, 0) == 0 && sem_init(&let_go, 0, 0) == 0);
  REQUIRE(pthread_create(&owner, NULL, own, NULL) == 0);
  while (sem_wait(&made) != 0) {
  }
  free_where(0);
  free_where(1);
  // Nobody calls malloc; the alarm of begin() ends a wait in vain. On the owner's stack are 64 KiB at most.
  while (resident_bytes() > before + 3 * MIB) sched_yield();
  sem_post(&let_go);
  pthread_join(owner, NULL);
  return finish();
}
