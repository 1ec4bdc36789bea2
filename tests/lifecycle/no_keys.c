// The library is loaded when each of the process's thread keys is taken, and so cannot hear of a thread
// that ends: it works all the same, and what threads leave behind is found again.
#include <limits.h>
#include <pthread.h>

#include "support/program.h"

static void* (*late_malloc)(size_t);
static void (*late_free)(void*);
static const char* (*late_check)(void);

static void take_all_keys(void) {
  pthread_key_t key;
  int taken = 0;
  while (pthread_key_create(&key, NULL) == 0) ++taken;
  REQUIRE(taken > PTHREAD_KEYS_MAX / 2);
}

static void* visit(void* ignored) {
  void* blocks[200];
  for (size_t i = 0; i < 200; ++i) {
    blocks[i] = late_malloc(16 + i * 40);
    REQUIRE(blocks[i] != NULL);
    mark(blocks[i], 16 + i * 40);
  }
  for (size_t i = 0; i < 200; ++i) {
    EXPECT(is_marked(blocks[i], 16 + i * 40));
    late_free(blocks[i]);
  }
  return NULL;
}

static int scene_plain(void) {
  take_all_keys();
  void* library = dlopen(getenv("TEST_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) say(dlerror());
  REQUIRE(library != NULL);
  late_malloc = (void* (*)(size_t))dlsym(library, "hak_malloc");
  late_free = (void (*)(void*))dlsym(library, "hak_free");
  late_check = (const char* (*)(void))dlsym(library, "hak_check_stopped");
  REQUIRE(late_malloc != NULL && late_free != NULL && late_check != NULL);
  const long threads = how_many(500);
  size_t quarter = 0;
  for (long i = 0; i < threads; ++i) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, visit, NULL) == 0);
    pthread_join(thread, NULL);
    if (i == threads / 4) quarter = resident_bytes();
  }
  const size_t end = resident_bytes();
  if (end > quarter + 16 * MIB) {
    char line[100];
    snprintf(line, sizeof line, "%zu KiB at the quarter point, %zu KiB at the end", quarter / KIB,
             end / KIB);
    say_failure(__FILE__, __LINE__, line);
    ++program_failures;
  }
  EXPECT(late_check() == NULL);
  return finish();
}

int main(int argc, char** argv) {
  if (is_scene(argc, argv, "plain")) return scene_plain();
  begin(30);
  REQUIRE(getenv("TEST_LIBRARY") != NULL);
  const struct outcome outcome = run_self("plain", "LD_PRELOAD=");
  EXPECT_SUCCESS(outcome);
  return finish();
}
