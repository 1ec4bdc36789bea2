// Libraries with thread-local objects are loaded, used by four threads and closed, before the threads end
// or after, again and again: their destructors find a working malloc, and nothing piles up.
#include <pthread.h>

#include "support/program.h"

enum { kThreads = 4 };
static pthread_barrier_t used, closed;
static int (*use_thread_locals)(int);
static int closed_first;

static void* use(void* number) {
  const int count = 20 + (int)(intptr_t)number;
  EXPECT(use_thread_locals(count) == count);
  pthread_barrier_wait(&used);
  // The library is closed meanwhile; the loader keeps it for the sake of what is still to be destroyed.
  if (closed_first) pthread_barrier_wait(&closed);
  return NULL;
}

static void load_use_close(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) say(dlerror());
  REQUIRE(library != NULL);
  use_thread_locals = (int (*)(int))dlsym(library, "use_thread_locals");
  REQUIRE(use_thread_locals != NULL);
  pthread_t threads[kThreads];
  for (intptr_t i = 0; i < kThreads; ++i) {
    REQUIRE(pthread_create(&threads[i], NULL, use, (void*)i) == 0);
  }
  pthread_barrier_wait(&used);
  if (closed_first) {
    EXPECT(dlclose(library) == 0);
    pthread_barrier_wait(&closed);
  }
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  if (!closed_first) EXPECT(dlclose(library) == 0);
}

int main(void) {
  begin(30);
  char path[4096];
  REQUIRE(getenv("TEST_PLUGINS") != NULL);
  snprintf(path, sizeof path, "%s/thread_locals.so", getenv("TEST_PLUGINS"));
  pthread_barrier_init(&used, NULL, kThreads + 1);
  pthread_barrier_init(&closed, NULL, kThreads + 1);
  const long rounds = how_many(200);
  size_t quarter = 0;
  for (long round = 0; round < rounds; ++round) {
    closed_first = round % 2;
    load_use_close(path);
    if (round == rounds / 4) quarter = resident_bytes();
  }
  EXPECT(resident_bytes() < quarter + 4 * MIB);
  return finish();
}
