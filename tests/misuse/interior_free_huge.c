// The side table knows huge blocks by their first byte only.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") {
  char* block = malloc(8 * MIB);
  free(block + 4096);
}
