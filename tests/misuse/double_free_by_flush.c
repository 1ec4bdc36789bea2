// No trim: a stack that overflows takes the twice freed block to its bitmap by itself.
#include "support/crime.h"

CRIME("double-free on address 0x[0-9a-f]+ \\(block size 48, class [0-9]+, " SLAB "\\)") {
  enum { kBlocks = 20000 };
  static void* blocks[kBlocks];
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(40);
  free(blocks[0]);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
}
