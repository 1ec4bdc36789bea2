// A block freed twice: both addresses reach the bitmap, the second finds its bit set.
#include "support/crime.h"

CRIME("double-free on address 0x[0-9a-f]+ \\(block size 32, class [0-9]+, " SLAB "\\)") {
  void* block = malloc(24);
  free(block);
  free(block);
  flush_caches();
}
