// A static C program that uses every function of libc's malloc.o, so that any of them missing from
// the archive pulls that object in, and the link fails with a duplicate malloc.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void expect(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "static_c: %s\n", what);
  ++failures;
}

int main(void) {
  char* block = malloc(24);
  expect(block != NULL, "malloc");
  memset(block, 1, 24);
  block = realloc(block, 100000);
  expect(block != NULL && block[23] == 1, "realloc");
  block = reallocarray(block, 10, 100);
  expect(malloc_usable_size(block) >= 1000, "reallocarray");
  free(block);

  char* zeroed = calloc(100, 10);
  expect(zeroed != NULL && zeroed[999] == 0, "calloc");
  free(zeroed);

  void* aligned = NULL;
  expect(posix_memalign(&aligned, 4096, 10) == 0, "posix_memalign");
  free(aligned);
  free(aligned_alloc(64, 128));
  free(memalign(64, 128));
  free(valloc(1));
  free(pvalloc(1));

  (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
  (void)mallinfo2();
  (void)malloc_trim(0);
  malloc_stats();
  FILE* nowhere = fopen("/dev/null", "w");
  expect(nowhere != NULL && malloc_info(0, nowhere) == 0, "malloc_info");
  if (nowhere != NULL) fclose(nowhere);
  return failures;
}
