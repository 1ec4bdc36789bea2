// A huge block leaves its table with the first free.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") {
  char* block = malloc(5 * MIB);
  free(block);
  free(block);
}
