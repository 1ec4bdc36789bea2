// The kernel gives a process 65530 mappings. A heap of a million blocks in 64 threads stays far below that,
// trimmed or not; and in a process that has used them up, malloc goes on.
#include <pthread.h>

#include "support/program.h"

enum { kThreads = 64, kBlocksEach = 8000, kHuge = 100, kBudget = 200 };
static void* blocks[kThreads][kBlocksEach];
static pthread_barrier_t phase;

static long mappings(void) {
  static char buffer[1 << 16];
  const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (file < 0) _exit(SKIPPED);
  long lines = 0;
  for (ssize_t got; (got = read(file, buffer, sizeof buffer)) > 0;) {
    for (ssize_t i = 0; i < got; ++i) lines += buffer[i] == '\n';
  }
  close(file);
  return lines;
}

static size_t size_at(int i) { return i % 40 == 0 ? (size_t)20000 + i : 16 + (size_t)i * 37 % 1000; }

// Grows, keeps one block in seven, and waits where main counts.
static void* scatter(void* mine) {
  void** own = mine;
  for (int i = 0; i < kBlocksEach; ++i) own[i] = malloc(size_at(i));
  for (int i = 0; i < kBlocksEach; ++i) {
    if (i % 7 == 0) continue;
    free(own[i]);
    own[i] = NULL;
  }
  pthread_barrier_wait(&phase);
  pthread_barrier_wait(&phase);
  for (int i = 0; i < kBlocksEach; ++i) free(own[i]);
  return NULL;
}

static void expect_few(const char* when, long count) {
  if (count <= kBudget) return;
  char line[100];
  snprintf(line, sizeof line, "%ld mappings %s", count, when);
  say_failure(__FILE__, __LINE__, line);
  ++program_failures;
}

static void stay_in_budget(void) {
  const long before = mappings();
  pthread_t threads[kThreads];
  pthread_barrier_init(&phase, NULL, kThreads + 1);
  for (int i = 0; i < kThreads; ++i) {
    REQUIRE(pthread_create(&threads[i], NULL, scatter, blocks[i]) == 0);
  }
  void* huge[kHuge];
  for (int i = 0; i < kHuge; ++i) huge[i] = malloc(3 * MIB);
  for (int i = 0; i < kHuge; i += 2) free(huge[i]);
  pthread_barrier_wait(&phase);
  // Two for each stack, one for each huge block and one for the gap beside it.
  const long others = before + 2 * kThreads + 2 * kHuge;
  expect_few("of a scattered heap", mappings() - others);
  malloc_trim(0);
  expect_few("of a trimmed heap", mappings() - others);
  pthread_barrier_wait(&phase);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  for (int i = 1; i < kHuge; i += 2) free(huge[i]);
}

// Every second page of a range is made a mapping of its own, until the kernel refuses.
static void use_up(char* range, size_t pages, size_t page) {
  size_t i = 0;
  while (i < pages && mprotect(range + i * page, page, PROT_READ) == 0) i += 2;
  REQUIRE(i < pages);
}

static int none_left(void* ignored) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t pages = (size_t)1 << 17;
  char* range = mmap(NULL, pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(range != MAP_FAILED);
  use_up(range, pages, page);
  static void* more[30000];
  const int count = sizeof more / sizeof *more;
  for (int turn = 0; turn < 2; ++turn) {
    for (int i = 0; i < count; ++i) {
      more[i] = malloc(size_at(i) + 3000);
      REQUIRE(more[i] != NULL);
      mark(more[i], size_at(i) + 3000);
    }
    for (int i = 0; i < 20; ++i) {
      void* huge = malloc(3 * MIB);
      if (huge == NULL) EXPECT(errno == ENOMEM);
      if (huge != NULL) mark(huge, 3 * MIB);
      free(huge);
    }
    for (int i = 0; i < count; ++i) {
      EXPECT(is_marked(more[i], size_at(i) + 3000));
      free(more[i]);
    }
    malloc_trim(0);
  }
  REQUIRE(munmap(range, pages * page) == 0);
  void* huge = malloc(30 * MIB);
  EXPECT(huge != NULL);
  free(huge);
  return finish();
}

static long most_mappings(void) {
  FILE* file = fopen("/proc/sys/vm/max_map_count", "r");
  long most = 0;
  if (file == NULL || fscanf(file, "%ld", &most) != 1) return 0;
  fclose(file);
  return most;
}

int main(void) {
  begin(40);
  stay_in_budget();
  const long most = most_mappings();
  if (most > 0 && most < 100000) {
    const struct outcome outcome = run_forked(none_left, NULL);
    EXPECT_SUCCESS(outcome);
  }
  return finish();
}
