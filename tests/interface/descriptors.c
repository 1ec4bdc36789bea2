// The library keeps no descriptor open and needs none: it works where no descriptor is to be had, and the
// first descriptor is still 0.
#include "support/program.h"

static int without_descriptors(void) {
  void* blocks[2000];
  for (int turn = 0; turn < 3; ++turn) {
    for (size_t i = 0; i < 2000; ++i) {
      blocks[i] = malloc(i * 30);
      if (blocks[i] == NULL) return 2;
    }
    for (int i = 0; i < 2000; ++i) free(blocks[i]);
    void* huge = malloc(70 * MIB);
    huge = realloc(huge, 90 * MIB);
    if (huge == NULL) return 3;
    free(huge);
    free(memalign(MIB, MIB));
    malloc_trim(0);
    (void)mallinfo2();
  }
  if (hak_check_stopped != NULL && hak_check_stopped() != NULL) return 4;
  for (int number = 0; number < 3; ++number) {
    if (fcntl(number, F_GETFD) != -1) return 5;
  }
  return 0;
}

static int start_without_descriptors(void* ignored) {
  const struct rlimit limit = {3, 3};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return SKIPPED;
  for (int number = 0; number < 20; ++number) close(number);
  execl("/proc/self/exe", "/proc/self/exe", "limited", (char*)NULL);
  return 126;
}

static int start_closed(void* ignored) {
  for (int number = 0; number < 20; ++number) close(number);
  return without_descriptors();
}

int main(int argc, char** argv) {
  begin(20);
  if (is_scene(argc, argv, "limited")) return without_descriptors();
  struct outcome outcome = run_forked(start_without_descriptors, NULL);
  EXPECT_SUCCESS(outcome);
  outcome = run_forked(start_closed, NULL);
  EXPECT_SUCCESS(outcome);
  return finish();
}
