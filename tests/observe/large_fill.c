// Blocks that have a slab to themselves, many held at once and then all freed, again: most mallocs acquire a slab, and
// most frees release one.
#include <stdlib.h>

enum { kBlocks = 2000, kRounds = 5 };

int main(void) {
  static void* held[kBlocks];
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kBlocks; ++i) {
      held[i] = malloc(40000 + 1000 * (i % 20));
      if (held[i] == NULL) return 1;
    }
    for (int i = 0; i < kBlocks; ++i) free(held[i]);
  }
  return 0;
}
