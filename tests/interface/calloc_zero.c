// calloc's memory is zero however often it was dirty before: on stacks, in the pool, purged, huge.
#include "support/program.h"

enum { kBlocks = 64 };
static void* blocks[kBlocks];

static void expect_zero(const char* block, size_t size) {
  if (size != 0 && (block[0] != 0 || memcmp(block, block + 1, size - 1) != 0)) {
    EXPECT(!"calloc gave dirty memory");
  }
}

static void dirty_and_free(size_t size, int count) {
  for (int i = 0; i < count; ++i) {
    blocks[i] = malloc(size);
    REQUIRE(blocks[i] != NULL);
    memset(blocks[i], 0xff, malloc_usable_size(blocks[i]));
  }
  for (int i = 0; i < count; ++i) free(blocks[i]);
}

static void zero_and_free(size_t size, int count) {
  for (int i = 0; i < count; ++i) {
    blocks[i] = calloc(1, size);
    REQUIRE(blocks[i] != NULL);
    expect_zero(blocks[i], size);
    memset(blocks[i], 0xee, malloc_usable_size(blocks[i]));
  }
  for (int i = 0; i < count; ++i) free(blocks[i]);
}

int main(void) {
  begin(30);
  for (size_t size = 8; size < 12 * MIB; size = size * 5 / 3) {
    const int count = size > MIB ? 4 : kBlocks;
    zero_and_free(size, count);
    dirty_and_free(size, count);
    zero_and_free(size, count);
    malloc_trim(0);
    zero_and_free(size, count);
    // What one class dirtied, another gets.
    dirty_and_free(size / 2 + 1, count);
    zero_and_free(size, count);
  }
  // A block that shrank and grew has old contents behind it.
  char* block = malloc(MIB);
  memset(block, 0xdd, MIB);
  block = realloc(block, 100 * KIB);
  for (int i = 0; i < 20; ++i) zero_and_free(300 * KIB, 3);
  free(block);
  return finish();
}
