// A program whose garbage would come to 400 MiB lives in 256: under HAKMEM_MEMORY_LIMIT its peak stays
// below that, and in a memory cgroup, where one can be made, it is not killed. Never more than 160 MiB
// are live, of small, mid, large and huge blocks in turn; of the small ones a tenth, in runs of 200, stays until the
// next turn had its peak. A program of huge blocks alone, of which 199 MiB are live at most. And one whose one huge
// block grows to 144 MiB beside as much that small blocks left in their slabs.
#include <sys/resource.h>
#include <sys/wait.h>

#include "support/cgroup.h"

#define LIMIT (256 * MIB)
#define TURN_BYTES (144 * MIB)
#define BLOCKS_MAX (TURN_BYTES / 300)

static char* blocks[2][BLOCKS_MAX];
static size_t counts[2];

static void fill(int half, size_t size) {
  counts[half] = TURN_BYTES / size;
  for (size_t i = 0; i < counts[half]; ++i) {
    blocks[half][i] = malloc(size);
    REQUIRE(blocks[half][i] != NULL);
    memset(blocks[half][i], 0x5a, size);
  }
}

static void free_where(int half, int survivors) {
  for (size_t i = 0; i < counts[half]; ++i) {
    if ((i / 200 % 10 == 9) == survivors) {
      EXPECT(blocks[half][i][0] == 0x5a);
      free(blocks[half][i]);
    }
  }
}

static void require_peak_below_limit(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const size_t peak = (size_t)usage.ru_maxrss * KIB;
  if (peak < LIMIT) return;
  char line[80];
  snprintf(line, sizeof line, "%zu MiB at the peak", peak / MIB);
  say_failure(__FILE__, __LINE__, line);
  ++program_failures;
}

// Buffers that replace each other.
static int live_huge(void) {
  begin(80);
  char* buffers[20] = {NULL};
  uint32_t random = 42;
  for (size_t turn = 0; turn < 600; ++turn) {
    random = random * 1664525 + 1013904223;
    char** buffer = &buffers[(random >> 8) % 20];
    const size_t size = (4 + (random >> 20) % 10) * MIB;
    free(*buffer);
    *buffer = malloc(size);
    REQUIRE(*buffer != NULL);
    memset(*buffer, 0x5a, size);
  }
  require_peak_below_limit();
  return finish();
}

static int live_growing(void) {
  begin(80);
  fill(0, 300);
  // In each slab some stay, and most of its pages are nobody's.
  for (size_t i = 0; i < counts[0]; ++i) {
    if (i % 50 != 0) free(blocks[0][i]);
  }
  size_t size = 4 * MIB;
  char* block = malloc(size);
  REQUIRE(block != NULL);
  memset(block, 0x5a, size);
  for (; size < TURN_BYTES; size += 10 * MIB) {
    block = realloc(block, size + 10 * MIB);
    REQUIRE(block != NULL);
    EXPECT(block[0] == 0x5a && block[size - 1] == 0x5a);
    memset(block + size, 0x5a, 10 * MIB);
  }
  require_peak_below_limit();
  free(block);
  for (size_t i = 0; i < counts[0]; i += 50) EXPECT(blocks[0][i][0] == 0x5a);
  return finish();
}

static int live(void) {
  begin(80);
  const size_t sizes[] = {300, 9000, 400 * KIB, 6 * MIB, 900, 3 * MIB, 30000, 1 * MIB, 300};
  int half = 0;
  for (size_t turn = 0; turn < sizeof sizes / sizeof *sizes; ++turn) {
    fill(half, sizes[turn]);
    free_where(half, 0);
    if (turn != 0) free_where(1 - half, 1);
    half = 1 - half;
  }
  require_peak_below_limit();
  return finish();
}

static void run(const char* program, const char* what, const char* decay, const char* option, const struct cgroup* group) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("HAKMEM_DECAY", decay, 1);
    if (option != NULL) setenv("HAKMEM_MEMORY_LIMIT", option, 1);
    if (group != NULL) REQUIRE(enter_cgroup(group));
    execl(program, program, what, (char*)NULL);
    _exit(99);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (status != 0) {
    char line[100];
    snprintf(line, sizeof line, "with %s %s ended with status %#x",
             group != NULL ? "a cgroup" : "the option", what, (unsigned)status);
    say_failure(__FILE__, __LINE__, line);
    ++program_failures;
  }
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    int (*live)(void);
    const char* decay;
  } programs[] = {{"all blocks", live, "1s"},
                  {"huge blocks", live_huge, "1s"},
                  // So that only the limit gives back.
                  {"a growing block", live_growing, "3600s"}};
  const size_t count = sizeof programs / sizeof *programs;
  for (size_t i = 0; argc > 1 && i < count; ++i) {
    if (strcmp(argv[1], programs[i].name) == 0) return programs[i].live();
  }
  begin(290);
  for (size_t i = 0; i < count; ++i) {
    run(argv[0], programs[i].name, programs[i].decay, "256M", NULL);
    struct cgroup group;
    if (make_cgroup(&group, LIMIT)) {
      run(argv[0], programs[i].name, programs[i].decay, NULL, &group);
      EXPECT(rmdir(group.folder) == 0);
    }
  }
  return finish();
}
