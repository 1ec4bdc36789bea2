// A static C program that calls the hak_ functions only: no operator, no libstdc++ is wanted.
#include <stdio.h>
#include <string.h>

#include "hakmem/hakmem.h"

int main(void) {
  char* block = hak_malloc(100);
  if (block == NULL || hak_usable_size(block) < 100) return 1;
  memset(block, 1, 100);
  block = hak_realloc(block, 5000000);
  if (block == NULL || block[99] != 1) return 2;
  hak_free(block);
  char* zeroed = hak_calloc(10, 1000);
  for (int i = 0; i < 10000; ++i) {
    if (zeroed[i] != 0) return 3;
  }
  hak_free_sized(zeroed, 10000);
  hak_free(hak_aligned_alloc(4096, 100));
  hak_free_aligned_sized(hak_aligned_alloc(4096, 100), 4096, 100);
  if (hak_good_size(100) < 100) return 6;
  hak_free(NULL);
  (void)hak_trim();
  hak_thread_idle();
  if (hak_version()[0] == '\0') return 4;
  return hak_check() == NULL && hak_check_stopped() == NULL ? 0 : 5;
}
