// The address of a local variable.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") {
  uint64_t local[8] __attribute__((aligned(16))) = {0};
  free(&local[4]);
}
