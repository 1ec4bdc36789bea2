// Code.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") {
  free((void*)((uintptr_t)&commit_crime & ~(uintptr_t)15));
}
