// Two errors that memcheck finds: a byte behind a block, and a block that nobody holds any more.
#include <stdlib.h>

int main(void) {
  volatile char* block = malloc(100);
  block[100] = 1;
  free((void*)block);
  block = malloc(1000);
  block = NULL;
  return 0;
}
