// Read-only memory.
#include "support/crime.h"

static const char text[64] __attribute__((aligned(64))) = "not from malloc";

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") { free((void*)text); }
