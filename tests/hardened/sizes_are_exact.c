// What was asked for is what may be used, to the byte, through every change of size; and a block may be
// written in full without a complaint.
#include "support/program.h"

static void use(char* block, size_t size) {
  EXPECT(malloc_usable_size(block) == size);
  memset(block, 0xff, size);
}

int main(void) {
  begin(60);
  for (size_t size = 0; size < 3 * MIB; size += size / 9 + 1) {
    char* block = malloc(size);
    use(block, size);
    block = realloc(block, size + 1);
    use(block, size + 1);
    block = realloc(block, size / 2 + 1);
    use(block, size / 2 + 1);
    block = realloc(block, 2 * size + 1);
    use(block, 2 * size + 1);
    free(block);
    block = calloc(1, size);
    for (size_t i = 0; i < size; ++i) {
      if (block[i] != 0) REQUIRE(!"calloc is not zero");
    }
    use(block, size);
    free(block);
    for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 8) {
      block = aligned_alloc(alignment, size);
      EXPECT((uintptr_t)block % alignment == 0);
      use(block, size);
      free(block);
    }
  }
  return finish();
}
