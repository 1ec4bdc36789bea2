// Nothing is mapped there.
#include "support/crime.h"

CRIME("free of a pointer that malloc did not return on address 0x[0-9a-f]+") {
  void* pages = mmap(NULL, MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages, MIB);
  free(pages);
}
