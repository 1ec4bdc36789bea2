// Every block of the slab went home and the slab to the pool; then one is freed again.
#include "support/crime.h"

CRIME("free of memory that was released on address 0x[0-9a-f]+") {
  enum { kBlocks = 5000 };
  static void* blocks[kBlocks];
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(200);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  flush_caches();
  free(blocks[kBlocks / 2]);
}
