// A plain process, with threads already running, loads the library RTLD_LOCAL: hak_malloc works in
// old threads and new ones, the process's own malloc is what it was, and dlclose does no harm.
#include <pthread.h>
#include <semaphore.h>

#include "support/program.h"

static void* (*late_malloc)(size_t);
static void* (*late_realloc)(void*, size_t);
static void (*late_free)(void*);
static size_t (*late_usable_size)(const void*);
static const char* (*late_check)(void);
static sem_t loaded;

static void use(void) {
  void* blocks[500];
  for (size_t i = 0; i < 500; ++i) {
    blocks[i] = late_malloc(i * 50);
    REQUIRE(blocks[i] != NULL);
    EXPECT(late_usable_size(blocks[i]) >= i * 50);
    if (i > 0) mark(blocks[i], i * 50 < 8 ? 8 : i * 50);
  }
  for (size_t i = 0; i < 500; ++i) late_free(blocks[i]);
  late_free(late_realloc(late_malloc(10), 5 * MIB));
  // Blocks of the process's malloc are foreign, and go home.
  late_free(malloc(100));
  late_free(malloc(MIB));
}

static void* old_thread(void* ignored) {
  sem_wait(&loaded);
  use();
  return NULL;
}

static void* new_thread(void* ignored) {
  use();
  return NULL;
}

static int scene_plain(void) {
  alarm(20);
  pthread_t before, after;
  sem_init(&loaded, 0, 0);
  REQUIRE(pthread_create(&before, NULL, old_thread, NULL) == 0);
  void* kept = malloc(100);
  void* library = dlopen(getenv("TEST_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) say(dlerror());
  REQUIRE(library != NULL);
  late_malloc = (void* (*)(size_t))dlsym(library, "hak_malloc");
  late_realloc = (void* (*)(void*, size_t))dlsym(library, "hak_realloc");
  late_free = (void (*)(void*))dlsym(library, "hak_free");
  late_usable_size = (size_t (*)(const void*))dlsym(library, "hak_usable_size");
  late_check = (const char* (*)(void))dlsym(library, "hak_check_stopped");
  REQUIRE(late_malloc != NULL && late_realloc != NULL && late_free != NULL);
  EXPECT(!is_of_hakmem((void*)&malloc));
  EXPECT(is_of_hakmem((void*)late_malloc));
  sem_post(&loaded);
  use();
  REQUIRE(pthread_create(&after, NULL, new_thread, NULL) == 0);
  pthread_join(before, NULL);
  pthread_join(after, NULL);
  free(kept);
  EXPECT(late_check() == NULL);
  EXPECT(dlclose(library) == 0);
  free(malloc(100));
  REQUIRE(pthread_create(&after, NULL, new_thread, NULL) == 0);
  pthread_join(after, NULL);
  return finish();
}

int main(int argc, char** argv) {
  if (is_scene(argc, argv, "plain")) return scene_plain();
  begin(20);
  REQUIRE(getenv("TEST_LIBRARY") != NULL);
  struct outcome outcome = run_self("plain", "LD_PRELOAD=");
  EXPECT_SUCCESS(outcome);
  return finish();
}
