// HAKMEM_GUARD_RATE: a block beside a guard is written past, before and after its time, and each time the process
// ends with who had it; sound programs are not accused, their memory stays bounded, and their children go on.
#include "support/program.h"

#include <pthread.h>
#include <time.h>

#define TURNS 12
#define SLOTS 128
#define QUARANTINE 64
#define THREADS 4

static volatile char sink;

static __attribute__((noinline)) int write_behind(void* size) {
  char* block = (char*)malloc((uintptr_t)size);
  block[(uintptr_t)size] = 1;
  free(block);
  return 0;
}
static __attribute__((noinline)) int write_before(void* size) {
  char* block = (char*)malloc((uintptr_t)size);
  block[-1] = 1;
  free(block);
  return 0;
}
static __attribute__((noinline)) int read_after_free(void* size) {
  char* block = (char*)malloc((uintptr_t)size);
  free(block);
  sink = block[0];
  return 0;
}
static __attribute__((noinline)) int write_after_free_from_calloc(void* size) {
  char* block = (char*)calloc(1, (uintptr_t)size);
  for (uintptr_t i = 0; i < (uintptr_t)size; ++i) EXPECT(block[i] == 0);
  block = (char*)realloc(block, (uintptr_t)size + 16);
  free(block);
  block[(uintptr_t)size] = 1;
  return 0;
}
static __attribute__((noinline)) int free_twice(void* size) {
  char* block = (char*)malloc((uintptr_t)size);
  free(block);
  for (int i = 0; i < 20; ++i) free(malloc(100));
  free(block);
  return 0;
}
static __attribute__((noinline)) int free_inside(void* size) {
  free((char*)malloc((uintptr_t)size) + 16);
  return 0;
}
static int read_nowhere(void* ignored) {
  sink = *(volatile char*)16;
  return 0;
}

static const struct {
  int (*body)(void*);
  const char* name;
  int was_freed;
} crimes[] = {
    {write_behind, "heap-buffer-overflow", 0},
    {write_before, "heap-buffer-underflow", 0},
    {read_after_free, "heap-use-after-free", 1},
    {write_after_free_from_calloc, "heap-use-after-free", 1},
    {free_twice, "double-free", 1},
    {free_inside, "free of an interior pointer", 0},
};

static void commit(size_t crime, size_t size) {
  const struct outcome outcome = run_forked(crimes[crime].body, (void*)size);
  // Whatever name it was started by.
  char own[300];
  const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 2);
  REQUIRE(length > 0);
  own[length] = '+';
  own[length + 1] = '\0';
  const char* traces = strstr(outcome.errors, "  allocated by:\n");
  const char* freed = strstr(outcome.errors, "  freed by:\n");
  const int told = WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT &&
                   strstr(outcome.errors, crimes[crime].name) != NULL && traces != NULL &&
                   strstr(outcome.errors, own) < traces && strstr(traces, own) != NULL &&
                   (freed != NULL) == crimes[crime].was_freed;
  if (told) return;
  printf("crime %zu, %zu bytes: status 0x%x\n%s\n", crime, size, (unsigned)outcome.status, outcome.errors);
  ++program_failures;
}

static int commit_all(void) {
  for (size_t crime = 0; crime < sizeof crimes / sizeof crimes[0]; ++crime) {
    for (size_t turn = 0; turn < TURNS; ++turn) commit(crime, turn * turn * 25 + 17);
  }
  // Nobody's fault ends the process as ever.
  const struct outcome outcome = run_forked(read_nowhere, NULL);
  EXPECT(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGSEGV);
  EXPECT(strstr(outcome.errors, "hakmem") == NULL);
  return finish();
}

static size_t count_mappings(void) {
  size_t lines = 0;
  char part[4096];
  const int file = open("/proc/self/maps", O_RDONLY);
  REQUIRE(file >= 0);
  for (ssize_t got; (got = read(file, part, sizeof part)) > 0;) {
    for (ssize_t i = 0; i < got; ++i) lines += part[i] == '\n';
  }
  close(file);
  return lines;
}

static void* allocate_and_free(void* ignored) {
  void* blocks[40] = {NULL};
  uint32_t random = 7 + (uint32_t)(uintptr_t)ignored;
  for (int turn = 0; turn < 4000; ++turn) {
    const uint32_t r = next_random(&random);
    void** place = &blocks[r % 40];
    if (*place != NULL) free(*place);
    *place = NULL;
    if (r % 3 == 0) continue;
    const size_t size = 8 + r / 64 % 6000;
    *place = r % 5 == 0 ? aligned_alloc(64, size) : malloc(size);
    memset(*place, 1, size);
    if (r % 7 == 0) *place = realloc(*place, size / 2 + 1);
  }
  for (int i = 0; i < 40; ++i) free(blocks[i]);
  return NULL;
}

static int go_on_in_child(void* block) {
  free(block);
  allocate_and_free(NULL);
  return finish();
}

static int be_sound(int every_block_is_guarded) {
  free(malloc(3000));
  const size_t resident = resident_bytes();
  const size_t mappings = count_mappings();
  // No page comes again before so many others were freed.
  char* recent[QUARANTINE] = {NULL};
  for (size_t i = 0; i < 20000; ++i) {
    char* block = (char*)malloc(3000);
    for (size_t k = 0; every_block_is_guarded && k < QUARANTINE; ++k) {
      EXPECT(((uintptr_t)recent[k] ^ (uintptr_t)block) >> 12 != 0);
    }
    memset(block, 1, 3000);
    recent[i % QUARANTINE] = block;
    free(block);
  }
  EXPECT(resident_bytes() < resident + MIB);
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; ++i) {
    REQUIRE(pthread_create(&threads[i], NULL, allocate_and_free, (void*)i) == 0);
  }
  for (int i = 0; i < 5; ++i) {
    void* block = malloc(100);
    const struct outcome child = run_forked(go_on_in_child, block);
    EXPECT(exited_with(&child, 0));
    if (!exited_with(&child, 0)) say(child.errors);
    free(block);
  }
  for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  EXPECT(count_mappings() < mappings + 2 * SLOTS + 50);
  return finish();
}

// Long enough for some ticks of this thread, which must not end its part in the sampling.
static void come_by_ticks(void) {
  static void* blocks[20000];
  struct timespec begin, now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    for (int i = 0; i < 20000; ++i) blocks[i] = malloc(200);
    for (int i = 0; i < 20000; ++i) free(blocks[i]);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 300);
}

static int be_sampled(void) {
  come_by_ticks();
  // One in 50 of these: their pages lie apart. Four times the deviation on either side.
  int apart = 0;
  for (int i = 0; i < 20000; ++i) {
    char* block = (char*)malloc(64);
    char* other = (char*)malloc(64);
    const size_t distance = block < other ? (size_t)(other - block) : (size_t)(block - other);
    apart += distance > MIB;
    free(block);
    free(other);
  }
  EXPECT(apart > 650 && apart < 950);
  return finish();
}

static void run(const char* scene, const char* environment) {
  const struct outcome outcome = run_self(scene, environment);
  EXPECT(exited_with(&outcome, 0));
  if (!exited_with(&outcome, 0)) say(outcome.errors);
}

int main(int argc, char** argv) {
  begin(60);
  // It checks every block itself, and takes no sample.
  if (is_hardened()) return SKIPPED;
  if (is_scene(argc, argv, "crimes")) return commit_all();
  if (is_scene(argc, argv, "sound")) return be_sound(0);
  if (is_scene(argc, argv, "all guarded")) return be_sound(1);
  if (is_scene(argc, argv, "sampled")) return be_sampled();
  run("crimes", "HAKMEM_GUARD_RATE=1");
  run("all guarded", "HAKMEM_GUARD_RATE=1");
  run("sound", "HAKMEM_GUARD_RATE=3");
  run("sampled", "HAKMEM_GUARD_RATE=50");
  return finish();
}
