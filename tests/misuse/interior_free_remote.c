// The owner checks each address of its mail before it puts it on a stack.
#include <pthread.h>

#include "support/crime.h"

static void* free_it(void* block) {
  free(block);
  return NULL;
}

CRIME_BY_FLAVOUR(
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 64, class [0-9]+, " SLAB "\\)",
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 80, class [0-9]+, " SLAB "\\)") {
  char* block = malloc(64);
  pthread_t thread;
  pthread_create(&thread, NULL, free_it, block + 16);
  pthread_join(thread, NULL);
  flush_caches();
}
