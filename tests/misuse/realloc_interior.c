// realloc looks at the pointer at once.
#include "support/crime.h"

CRIME("free of an interior pointer on address 0x[0-9a-f]+ \\(block size 112, class [0-9]+, " SLAB "\\)") {
  char* block = malloc(100);
  block = realloc(block + 16, 200);
}
