// The middle of a tiny block, on a 16-byte boundary.
#include "support/crime.h"

CRIME("free of an interior pointer on address 0x[0-9a-f]+ \\(block size 112, class [0-9]+, " SLAB "\\)") {
  char* block = malloc(100);
  free(block + 16);
  flush_caches();
}
