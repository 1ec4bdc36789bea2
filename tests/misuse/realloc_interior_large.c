// A slot behind the first of a large block.
#include "support/crime.h"

CRIME_BY_FLAVOUR(
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 1048576, class [0-9]+, slab 0x[0-9a-f]+\\)",
    "free of an interior pointer on address 0x[0-9a-f]+ \\(block size 1179648, class [0-9]+, slab 0x[0-9a-f]+\\)") {
  char* block = malloc(MIB);
  block = realloc(block + 512 * KIB, 200);
}
