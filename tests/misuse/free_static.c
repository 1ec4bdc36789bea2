// A static object, with words before it that a chunk header of libc's could hold.
#include "support/crime.h"

static uint64_t object[8] __attribute__((aligned(16))) = {0, 0x41, 0, 0x41, 0, 0x41, 0, 0x41};

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") { free(&object[4]); }
