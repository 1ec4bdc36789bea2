// Options from the environment: an unknown name and a bad value are said in one line, with the
// nearest match; HAKMEM_STRICT=1 ends the program with 78; HAKMEM_TINY_USE_SUPERSLAB=0 is libc.
#include <pthread.h>

#include "support/program.h"

static void* allocate_some(void* ignored) {
  static __thread void* blocks[1000];
  for (size_t i = 0; i < 1000; ++i) blocks[i] = malloc(i * 37);
  for (size_t i = 0; i < 1000; ++i) blocks[i] = realloc(blocks[i], i * 50 + 1);
  for (size_t i = 0; i < 1000; ++i) EXPECT(malloc_usable_size(blocks[i]) >= i * 50 + 1);
  for (size_t i = 0; i < 1000; ++i) free(blocks[i]);
  free(malloc(10 * MIB));
  free(memalign(MIB, 100));
  char* zeroed = calloc(1000, 1000);
  for (int i = 0; i < 1000000; i += 100) EXPECT(zeroed[i] == 0);
  free(zeroed);
  return NULL;
}

static int scene_use(void) {
  pthread_t thread;
  allocate_some(NULL);
  REQUIRE(pthread_create(&thread, NULL, allocate_some, NULL) == 0);
  pthread_join(thread, NULL);
  const pid_t child = fork();
  if (child == 0) {
    allocate_some(NULL);
    _exit(finish());
  }
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child && status == 0);
  return finish();
}

// libc's blocks lie in its heap, between the program and the first break.
static int scene_on_libc(void) {
  char* block = malloc(1000);
  const char* end = sbrk(0);
  EXPECT(block < end && block > end - 16 * MIB);
  free(block);
  return scene_use();
}

static void expect_line(const char* environment, const char* pattern) {
  const struct outcome outcome = run_self("use", environment);
  EXPECT_SUCCESS(outcome);
  if (matches(outcome.errors, pattern)) return;
  ++program_failures;
  say_failure(__FILE__, __LINE__, environment);
  say(outcome.errors);
}

int main(int argc, char** argv) {
  begin(30);
  if (is_scene(argc, argv, "use")) return scene_use();
  if (is_scene(argc, argv, "on libc")) return scene_on_libc();

  expect_line("HAKMEM_DEKAY=1s",
              "^hakmem: unknown option HAKMEM_DEKAY \\(nearest: HAKMEM_DECAY\\); ignored\n$");
  expect_line("HAKMEM_RESERV=64M",
              "^hakmem: unknown option HAKMEM_RESERV \\(nearest: HAKMEM_RESERVE\\); ignored\n$");
  expect_line("HAKMEM_QQQQQQQQQQQQ=1", "^hakmem: unknown option HAKMEM_QQQQQQQQQQQQ; ignored\n$");
  expect_line("HAKMEM_DECAY=soon", "^hakmem: HAKMEM_DECAY=soon is not a .*; using 1s\n$");
  expect_line("HAKMEM_RESERVE=9999TiB",
              "^hakmem: HAKMEM_RESERVE=9999TiB is out of range .*; using automatic\n$");
  expect_line("HAKMEM_DECAY=250ms", "^$");
  expect_line("HAKMEM_DECAY=0", "^$");
  expect_line("HAKMEM_DECAY=never", "^$");
  expect_line("HAKMEM_CACHE_LIMIT=1M", "^$");
  expect_line("HAKMEM_RESERVE=1.5GiB", "^$");
  expect_line("HAKMEM_STRICT=0", "^$");
  expect_line("HAKMEM_TINY_SS_SHARED=0", "^$");
  expect_line("HAKMEM_TINY_USE_SUPERSLAB=0", "^$");
  expect_line("hakmem_decay=1s", "^$");

  struct outcome outcome = run_self("on libc", "HAKMEM_TINY_USE_SUPERSLAB=0");
  EXPECT_SUCCESS(outcome);
  setenv("HAKMEM_STRICT", "1", 1);
  outcome = run_self("use", "HAKMEM_DEKAY=1s");
  EXPECT(exited_with(&outcome, 78));
  EXPECT(matches(outcome.errors, "^hakmem: unknown option HAKMEM_DEKAY .*\n$"));
  outcome = run_self("use", "HAKMEM_DECAY=soon");
  EXPECT(exited_with(&outcome, 78));
  outcome = run_self("use", "HAKMEM_DECAY=1s");
  EXPECT_SUCCESS(outcome);
  return finish();
}
