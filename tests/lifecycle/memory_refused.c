// Memory is refused: from the start (limits small enough to hurt), and while growing. NULL and
// ENOMEM, nothing that was given is lost, and what is freed can be had again.
#include "support/program.h"

enum { kMost = 400000 };
static void** blocks;
static size_t (*size_of)(int);

static size_t small_size(int i) { return 24 + (size_t)i % 50 * 40; }
static size_t mid_size(int i) { return 2000 + (size_t)i % 20 * 1500; }
static size_t large_size(int i) { return 50000 + (size_t)i % 10 * 100000; }
static size_t huge_size(int i) { return 2100000 + (size_t)i % 5 * 1000000; }

// Allocates until it is refused; returns how many blocks there are.
static int fill(size_t (*sizes)(int)) {
  size_of = sizes;
  int count = 0;
  for (; count < kMost; ++count) {
    errno = 0;
    blocks[count] = malloc(size_of(count));
    if (blocks[count] == NULL) break;
    mark(blocks[count], size_of(count));
  }
  EXPECT(count < kMost);
  EXPECT(errno == ENOMEM);
  return count;
}

static void refuse_everything(int count) {
  if (count == 0) return;
  errno = 0;
  EXPECT(malloc((size_t)1 << 40) == NULL && errno == ENOMEM);
  errno = 0;
  EXPECT(realloc(blocks[0], (size_t)1 << 40) == NULL && errno == ENOMEM);
  EXPECT(is_marked(blocks[0], size_of(0)));
  errno = 0;
  EXPECT(calloc((size_t)1 << 20, (size_t)1 << 20) == NULL && errno == ENOMEM);
  void* untouched = NULL;
  EXPECT(posix_memalign(&untouched, 4096, (size_t)1 << 40) == ENOMEM && untouched == NULL);
}

static size_t check_and_free(int count, int step) {
  size_t bytes = 0;
  for (int i = 0; i < count; i += step) {
    if (blocks[i] == NULL) continue;
    EXPECT(is_marked(blocks[i], size_of(i)));
    free(blocks[i]);
    blocks[i] = NULL;
    bytes += size_of(i);
  }
  return bytes;
}

static void fill_and_recover(size_t (*sizes)(int), size_t least) {
  const int count = fill(sizes);
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += sizes(i);
  if (bytes < least) {
    char line[100];
    snprintf(line, sizeof line, "only %zu KiB of blocks like %zu bytes", bytes / KIB, sizes(0));
    say_failure(__FILE__, __LINE__, line);
    ++program_failures;
  }
  refuse_everything(count);
  // Half of it goes; most of that half can be had again, in the same sizes.
  check_and_free(count, 2);
  int again = 0;
  for (int i = 0; i < count; i += 2) {
    blocks[i] = malloc(sizes(i));
    if (blocks[i] == NULL) continue;
    mark(blocks[i], sizes(i));
    ++again;
  }
  EXPECT(again >= count / 2 * 8 / 10);
  check_and_free(count, 1);
}

// What is left for other sizes after everything was freed.
static void expect_room_for(size_t size) {
  // The smallest reservation is 8 MiB, and a canary makes a block larger.
  if (is_hardened()) size -= 64 * KIB;
  void* block = malloc(size);
  if (block == NULL) {
    char line[100];
    snprintf(line, sizeof line, "no %zu KiB after everything was freed", size / KIB);
    say_failure(__FILE__, __LINE__, line);
    ++program_failures;
    return;
  }
  mark(block, size);
  EXPECT(is_marked(block, size));
  free(block);
}

// In pages.
static size_t address_space(void) {
  char text[256];
  const int file = open("/proc/self/statm", O_RDONLY);
  REQUIRE(read(file, text, sizeof text) > 0);
  close(file);
  return strtoul(text, NULL, 10);
}

// A block that cannot be made longer stays as it is, however often that is tried, and costs nothing. Where there are guards
// the place that it would have moved to may be lost.
static void refuse_growth(void) {
  if (is_hardened()) return;
  unsigned char* block = malloc(4 * MIB);
  REQUIRE(block != NULL);
  mark(block, 4 * MIB);
  const size_t before = address_space();
  for (int i = 0; i < 100; ++i) EXPECT(realloc(block, (size_t)4096 * MIB) == NULL);
  EXPECT(address_space() <= before + 4096);
  EXPECT(is_marked(block, 4 * MIB));
  free(block);
}

// The hardened flavour needs address space for guards and records, and gives no slots to huge blocks.
static size_t least_of_limit(int resource) {
  struct rlimit limit;
  REQUIRE(getrlimit(resource, &limit) == 0);
  return limit.rlim_cur / (is_hardened() ? 8 : 2);
}

static int scene(int resource) {
  blocks = mmap(NULL, kMost * sizeof(void*), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
  REQUIRE(blocks != MAP_FAILED);
  const size_t least = least_of_limit(resource);
  fill_and_recover(small_size, least);
  expect_room_for(8 * MIB);
  refuse_growth();
  fill_and_recover(mid_size, least);
  fill_and_recover(large_size, least);
  // What is cached when the first of these is asked for lies between them.
  fill_and_recover(huge_size, least * 3 / 4);
  expect_room_for(8 * MIB);
  fill_and_recover(small_size, least);
  return finish();
}

// A limit that the program sets for itself, long after the start.
static int scene_late(void) {
  const rlim_t bytes = address_space() * (rlim_t)sysconf(_SC_PAGESIZE) + 128 * MIB;
  const struct rlimit limit = {bytes, bytes};
  blocks = mmap(NULL, kMost * sizeof(void*), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  for (int turn = 0; turn < 3; ++turn) {
    const int count = fill(huge_size);
    EXPECT(count > 10);
    refuse_everything(count);
    check_and_free(count, 1);
    expect_room_for(8 * MIB);
    // Small blocks go on.
    for (int i = 0; i < 1000; ++i) blocks[i] = malloc(100);
    for (int i = 0; i < 1000; ++i) {
      EXPECT(blocks[i] != NULL);
      free(blocks[i]);
      blocks[i] = NULL;
    }
  }
  return finish();
}

int main(int argc, char** argv) {
  begin(60);
  if (is_scene(argc, argv, "address space")) return scene(RLIMIT_AS);
  if (is_scene(argc, argv, "data")) return scene(RLIMIT_DATA);
  if (is_scene(argc, argv, "late")) return scene_late();
  static const rlim_t kSpaces[] = {64 * MIB, 256 * MIB};
  for (int i = 0; i < 2; ++i) {
    const struct outcome outcome = run_self_limited("address space", RLIMIT_AS, kSpaces[i]);
    EXPECT_SUCCESS(outcome);
  }
  struct outcome outcome = run_self_limited("data", RLIMIT_DATA, 32 * MIB);
  EXPECT_SUCCESS(outcome);
  outcome = run_self("late", NULL);
  EXPECT_SUCCESS(outcome);
  return finish();
}
