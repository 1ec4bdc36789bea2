// Inside the program's own mapping, where the word before holds what looks like a size.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") {
  uint64_t* pages =
      mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pages[1023] = 0x100000;
  free(&pages[1024]);
}
