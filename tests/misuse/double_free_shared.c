// One free by the owner, one by another thread.
#include <pthread.h>

#include "support/crime.h"

static void* free_once(void* block) {
  free(block);
  return NULL;
}

CRIME_BY_FLAVOUR(
    "double-free on address 0x[0-9a-f]+ \\(block size 64, class [0-9]+, " SLAB "\\)",
    "double-free on address 0x[0-9a-f]+ \\(block size 80, class [0-9]+, " SLAB "\\)") {
  void* block = malloc(64);
  pthread_t thread;
  free(block);
  pthread_create(&thread, NULL, free_once, block);
  pthread_join(thread, NULL);
  flush_caches();
}
