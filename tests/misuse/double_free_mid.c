// The same in a slab of several slots, with a flush in between.
#include "support/crime.h"

CRIME("double-free on address 0x[0-9a-f]+ \\(block size 5120, class [0-9]+, " SLAB "\\)") {
  void* neighbour = malloc(5000);
  void* block = malloc(5000);
  free(block);
  flush_caches();
  free(block);
  flush_caches();
  free(neighbour);
}
