// The first slot of a large block has the owner's tag; the bitmap tells.
#include "support/crime.h"

CRIME_BY_FLAVOUR(
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 1048576, class [0-9]+, " SLAB "\\)",
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 1179648, class [0-9]+, " SLAB "\\)") {
  char* block = malloc(MIB);
  free(block + 32);
  flush_caches();
}
