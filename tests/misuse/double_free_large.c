// A large block is its slab's only one, so the slab is gone when the second free is looked at.
#include "support/crime.h"

CRIME("free of memory that was released on address 0x[0-9a-f]+") {
  void* block = malloc(300 * KIB);
  free(block);
  free(block);
  flush_caches();
}
