// realloc keeps the contents whatever it does: in place, to another class, between the ranges.
#include "support/program.h"

static unsigned char byte_at(size_t at, uint32_t seed) { return (unsigned char)(at * 31 + seed); }

static void write_all(unsigned char* block, size_t from, size_t to, uint32_t seed) {
  for (size_t at = from; at < to; ++at) block[at] = byte_at(at, seed);
}

static void read_all(const unsigned char* block, size_t size, uint32_t seed) {
  for (size_t at = 0; at < size; ++at) {
    if (block[at] == byte_at(at, seed)) continue;
    EXPECT(!"realloc lost contents");
    return;
  }
}

static void walk(size_t first, size_t last, uint32_t seed) {
  unsigned char* block = malloc(first);
  size_t size = first;
  write_all(block, 0, size, seed);
  while (size < last) {
    const size_t next = size + size / 2 + 7;
    block = realloc(block, next);
    REQUIRE(block != NULL);
    read_all(block, size, seed);
    write_all(block, size, next, seed);
    size = next;
  }
  while (size > first) {
    const size_t next = size * 2 / 3;
    block = realloc(block, next);
    REQUIRE(block != NULL);
    read_all(block, next, seed);
    size = next;
  }
  free(block);
}

static void between_all_classes(void) {
  static const size_t kSizes[] = {1,     16,        100,     1024,    1025,        5000,
                                  32768, 32769,     65536,   100000,  MIB,         2 * MIB,
                                  2 * MIB + 1, 3 * MIB, 5 * MIB, 17 * MIB};
  enum { kCount = sizeof kSizes / sizeof kSizes[0] };
  for (int from = 0; from < kCount; ++from) {
    for (int to = 0; to < kCount; ++to) {
      unsigned char* block = malloc(kSizes[from]);
      unsigned char* neighbour = malloc(kSizes[from]);
      write_all(block, 0, kSizes[from], 5);
      memset(neighbour, 0xee, kSizes[from]);
      block = realloc(block, kSizes[to]);
      REQUIRE(block != NULL);
      EXPECT(malloc_usable_size(block) >= kSizes[to]);
      read_all(block, kSizes[from] < kSizes[to] ? kSizes[from] : kSizes[to], 5);
      memset(block, 0x11, kSizes[to]);
      EXPECT(neighbour[0] == 0xee && neighbour[kSizes[from] - 1] == 0xee);
      free(neighbour);
      free(block);
    }
  }
}

// Growing by a little at the end of a slab of several slots must not take the neighbour's slots.
static void large_beside_large(void) {
  enum { kBlocks = 24 };
  unsigned char* blocks[kBlocks];
  size_t sizes[kBlocks];
  uint32_t random = 12345;
  for (int i = 0; i < kBlocks; ++i) {
    sizes[i] = 40 * KIB;
    blocks[i] = malloc(sizes[i]);
    write_all(blocks[i], 0, sizes[i], (uint32_t)i);
  }
  for (int turn = 0; turn < 400; ++turn) {
    const int i = (int)(next_random(&random) % kBlocks);
    const size_t next = 33 * KIB + next_random(&random) % (900 * KIB);
    blocks[i] = realloc(blocks[i], next);
    REQUIRE(blocks[i] != NULL);
    read_all(blocks[i], next < sizes[i] ? next : sizes[i], (uint32_t)i);
    if (next > sizes[i]) write_all(blocks[i], sizes[i], next, (uint32_t)i);
    sizes[i] = next;
  }
  for (int i = 0; i < kBlocks; ++i) {
    read_all(blocks[i], sizes[i], (uint32_t)i);
    free(blocks[i]);
  }
}

static void stays_in_place(void) {
  for (size_t size = 16; size < 4 * MIB; size = size * 3 / 2) {
    void* block = malloc(size);
    const size_t usable = malloc_usable_size(block);
    EXPECT(realloc(block, usable) == block);
    EXPECT(malloc_usable_size(block) >= usable);
    EXPECT(realloc(block, size) == block);
    free(block);
  }
}

int main(void) {
  begin(30);
  walk(1, 40 * MIB, 3);
  walk(1000, 3 * MIB, 4);
  walk(30000, 9 * MIB, 4);
  between_all_classes();
  large_beside_large();
  stays_in_place();
  // Page by page through 64 MiB: each step may move pages, none may copy them all.
  unsigned char* growing = malloc(2 * MIB);
  for (size_t size = 2 * MIB; size <= 64 * MIB; size += 64 * KIB) {
    growing = realloc(growing, size);
    REQUIRE(growing != NULL);
    growing[size - 1] = (unsigned char)(size >> 16);
  }
  for (size_t size = 2 * MIB; size <= 64 * MIB; size += 64 * KIB) {
    EXPECT(growing[size - 1] == (unsigned char)(size >> 16));
  }
  free(growing);
  return finish();
}
