// One byte off: never a block of anybody's.
#include "support/crime.h"

CRIME_BY_FLAVOUR(
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 32, class [0-9]+, " SLAB "\\)",
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 48, class [0-9]+, " SLAB "\\)") {
  char* block = malloc(32);
  free(block + 1);
  flush_caches();
}
