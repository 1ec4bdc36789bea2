// An address that no process can have.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0xfffffffffffffff0") {
  free((void*)~(uintptr_t)15);
}
