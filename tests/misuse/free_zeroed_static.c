// A static object that no file backs, which looks like anonymous memory.
#include "support/crime.h"

static char object[MIB] __attribute__((aligned(16)));

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") {
  free(object + MIB / 2);
}
