// Every allocating function of the malloc family: what it returns, where, and what errno is after.
#include "support/program.h"

// Hides a size from the compiler, which would warn of or fold what is tried here.
static size_t opaque(size_t size) {
  volatile size_t hidden = size;
  return hidden;
}

#define KEPT 4711
#define KEEPS_ERRNO(call) \
  do {                    \
    errno = KEPT;         \
    call;                 \
    EXPECT(errno == KEPT); \
  } while (0)

static void check_block(void* block, size_t size, size_t alignment) {
  EXPECT(block != NULL);
  if (block == NULL) return;
  EXPECT((uintptr_t)block % alignment == 0);
  EXPECT(malloc_usable_size(block) >= size);
  memset(block, 0xa5, malloc_usable_size(block) < 4 * MIB ? malloc_usable_size(block) : size);
}

static void each_size(size_t size) {
  void* block = NULL;
  KEEPS_ERRNO(block = malloc(size));
  check_block(block, size, 16);
  KEEPS_ERRNO(block = realloc(block, size + size / 3 + 1));
  check_block(block, size + size / 3 + 1, 16);
  KEEPS_ERRNO(free(block));

  KEEPS_ERRNO(block = calloc(size, 3));
  for (size_t i = 0; block != NULL && i < 3 * size; ++i) {
    if (((char*)block)[i] != 0) {
      EXPECT(!"calloc gave a byte that is not 0");
      break;
    }
  }
  check_block(block, 3 * size, 16);
  KEEPS_ERRNO(block = reallocarray(block, size + 1, 2));
  check_block(block, 2 * (size + 1), 16);
  KEEPS_ERRNO(cfree != NULL ? cfree(block) : free(block));

  KEEPS_ERRNO(block = valloc(size));
  check_block(block, size, 4096);
  KEEPS_ERRNO(free(block));
  KEEPS_ERRNO(block = pvalloc(size));
  check_block(block, (size + 4095) / 4096 * 4096, 4096);
  KEEPS_ERRNO(free(block));
  KEEPS_ERRNO(block = malloc(size));
  if (free_sized != NULL) KEEPS_ERRNO(free_sized(block, size));
}

static void each_alignment(size_t alignment, size_t size) {
  void* block = NULL;
  KEEPS_ERRNO(block = aligned_alloc(alignment, size));
  check_block(block, size, alignment);
  if (free_aligned_sized != NULL) {
    KEEPS_ERRNO(free_aligned_sized(block, alignment, size));
  } else {
    KEEPS_ERRNO(free(block));
  }
  KEEPS_ERRNO(block = memalign(alignment, size));
  check_block(block, size, alignment);
  KEEPS_ERRNO(block = realloc(block, size + 1));
  check_block(block, size + 1, 16);
  KEEPS_ERRNO(free(block));
  if (alignment < sizeof(void*)) return;
  int result = -1;
  KEEPS_ERRNO(result = posix_memalign(&block, alignment, size));
  EXPECT(result == 0);
  check_block(block, size, alignment);
  KEEPS_ERRNO(free(block));
}

#define FAILS(call, error) \
  do {                     \
    errno = 0;             \
    EXPECT((call) == NULL); \
    EXPECT(errno == (error)); \
  } while (0)

static void too_much(size_t size) {
  void* block = malloc(40);
  memset(block, 7, 40);
  FAILS(malloc(size), ENOMEM);
  FAILS(calloc(1, size), ENOMEM);
  FAILS(calloc(size, 1), ENOMEM);
  FAILS(realloc(NULL, size), ENOMEM);
  FAILS(realloc(block, size), ENOMEM);
  FAILS(reallocarray(block, size, 1), ENOMEM);
  FAILS(aligned_alloc(16, size), ENOMEM);
  FAILS(aligned_alloc(4096, size), ENOMEM);
  FAILS(memalign(MIB, size), ENOMEM);
  FAILS(valloc(size), ENOMEM);
  FAILS(pvalloc(size), ENOMEM);
  void* untouched = &size;
  errno = KEPT;
  EXPECT(posix_memalign(&untouched, 64, size) == ENOMEM);
  EXPECT(errno == KEPT || any_malloc_will_do());
  EXPECT(untouched == &size);
  EXPECT(((char*)block)[0] == 7 && ((char*)block)[39] == 7);
  void* huge = malloc(9 * MIB);
  memset(huge, 8, 9 * MIB);
  FAILS(realloc(huge, size), ENOMEM);
  EXPECT(((char*)huge)[0] == 8 && ((char*)huge)[9 * MIB - 1] == 8);
  free(huge);
  free(block);
}

static void overflow(void) {
  const size_t half = opaque(SIZE_MAX / 2 + 2);
  void* block = malloc(16);
  FAILS(calloc(half, 2), ENOMEM);
  FAILS(calloc(2, half), ENOMEM);
  FAILS(calloc(opaque((size_t)1 << 32), (size_t)1 << 32), ENOMEM);
  FAILS(calloc(opaque(SIZE_MAX), opaque(SIZE_MAX)), ENOMEM);
  FAILS(reallocarray(block, half, 2), ENOMEM);
  FAILS(reallocarray(block, opaque((size_t)1 << 33), (size_t)1 << 31), ENOMEM);
  FAILS(reallocarray(NULL, half, 4), ENOMEM);
  free(block);
}

static void bad_alignments(void) {
  static const size_t kBad[] = {0, 3, 24, 48, 100, 4095, SIZE_MAX, SIZE_MAX / 2};
  void* untouched = &untouched;
  for (size_t i = 0; i < sizeof kBad / sizeof kBad[0]; ++i) {
    errno = KEPT;
    EXPECT(posix_memalign(&untouched, opaque(kBad[i]), 64) == EINVAL);
    EXPECT(errno == KEPT);
    if (!any_malloc_will_do()) FAILS(aligned_alloc(opaque(kBad[i]), 64), EINVAL);
  }
  EXPECT(posix_memalign(&untouched, opaque(1), 64) == EINVAL);
  EXPECT(posix_memalign(&untouched, opaque(2), 64) == EINVAL);
  EXPECT(posix_memalign(&untouched, opaque(4), 64) == EINVAL);
  EXPECT(untouched == &untouched);
  // memalign rounds up, as glibc does, but cannot beyond the last power of two.
  void* block = memalign(opaque(48), 10);
  check_block(block, 10, 64);
  free(block);
  block = memalign(opaque(0), 10);
  check_block(block, 10, 16);
  free(block);
  FAILS(memalign(opaque(SIZE_MAX), 10), EINVAL);
  FAILS(memalign(opaque((size_t)1 << 62), 10), ENOMEM);
  EXPECT(posix_memalign(&untouched, opaque((size_t)1 << 62), 64) == ENOMEM);
  EXPECT(posix_memalign(&untouched, opaque((size_t)1 << 63), 64) == ENOMEM);
}

static void zero_sizes(void) {
  void* first = malloc(0);
  void* second = calloc(0, 8);
  void* third = calloc(8, 0);
  void* fourth = NULL;
  EXPECT(posix_memalign(&fourth, 64, 0) == 0);
  void* fifth = aligned_alloc(4096, 0);
  void* blocks[] = {first, second, third, fourth, fifth, memalign(MIB, 0), valloc(0), pvalloc(0)};
  enum { kBlocks = sizeof blocks / sizeof blocks[0] };
  for (int i = 0; i < kBlocks; ++i) {
    EXPECT(blocks[i] != NULL);
    for (int j = 0; j < i; ++j) EXPECT(blocks[i] != blocks[j]);
  }
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  EXPECT(malloc_usable_size(NULL) == 0);
  free(NULL);
  if (cfree != NULL) cfree(NULL);
  // glibc's choice: frees, returns NULL, no error.
  errno = KEPT;
  EXPECT(realloc(malloc(100), 0) == NULL);
  EXPECT(reallocarray(malloc(100), 0, 5) == NULL);
  EXPECT(errno == KEPT);
  void* fresh = realloc(NULL, 0);
  EXPECT(fresh != NULL);
  free(fresh);
}

int main(void) {
  begin(30);
  EXPECT(any_malloc_will_do() || (free_sized != NULL && free_aligned_sized != NULL));
  for (size_t size = 0; size <= 2100; ++size) each_size(size);
  for (size_t size = 2101; size < 20 * MIB; size += size / 9 + 1) each_size(size);
  for (size_t alignment = 1; alignment <= GIB; alignment *= 2) {
    for (size_t size = 0; size < 5 * MIB; size = size * 5 + 1) each_alignment(alignment, size);
    each_alignment(alignment, 2 * MIB);
    each_alignment(alignment, 2 * MIB + 1);
  }
  too_much(opaque((size_t)PTRDIFF_MAX + 1));
  too_much(opaque((size_t)PTRDIFF_MAX));
  too_much(opaque(PTRDIFF_MAX - 4096));
  too_much(opaque(SIZE_MAX));
  too_much(opaque(SIZE_MAX - 4095));
  too_much(opaque((size_t)1 << 50));
  overflow();
  bad_alignments();
  zero_sizes();
  return finish();
}
