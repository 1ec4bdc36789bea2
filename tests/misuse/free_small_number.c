// An integer that was taken for a pointer.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0x10") { free((void*)16); }
