// realloc of a block whose slab is gone.
#include "support/crime.h"

CRIME("free of memory that was released on address 0x[0-9a-f]+") {
  void* block = malloc(MIB);
  free(block);
  flush_caches();
  void* volatile moved = realloc(block, 100);
  (void)moved;
}
