/* One block above 2 MiB, for a tracer to see. */
#include <stdlib.h>

int main(void) {
  char* volatile block = malloc(5000000);
  if (block == NULL) return 1;
  block[0] = 1;
  free(block);
  return 0;
}
