// The second slot of a slab that spans several.
#include "support/crime.h"

CRIME_BY_FLAVOUR(
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 16384, class [0-9]+, " SLAB "\\)",
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 18432, class [0-9]+, " SLAB "\\)") {
  char* blocks[6];
  for (int i = 0; i < 6; ++i) blocks[i] = malloc(16 * KIB);
  free(blocks[5] + 4096);
  flush_caches();
}
