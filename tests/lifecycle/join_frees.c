// pthread_join() frees the ended thread's memory under the lock of libc's stacks, and pthread_create() takes that lock:
// no free starts the thread that gives memory back, however much it is wanted.
#include <pthread.h>

#include "support/program.h"

#define ENDED 400
#define BLOCKS 60000
#define SIZE 900
#define STACK (64 * KIB)

static pthread_t threads[ENDED];
static pthread_barrier_t let_go;
static char* blocks[BLOCKS];

static void (*use_large_tls)(void);

static void* use_and_end(void* unused) {
  use_large_tls();
  return unused;
}

static void* live_on(void* unused) {
  void* block = malloc(SIZE);
  pthread_barrier_wait(&let_go);
  free(block);
  return unused;
}

static void load_plugin(void) {
  char path[4096];
  snprintf(path, sizeof path, "%s/large_tls.so", getenv("TEST_PLUGINS"));
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) say(dlerror());
  REQUIRE(library != NULL);
  use_large_tls = (void (*)(void))dlsym(library, "use_large_tls");
  REQUIRE(use_large_tls != NULL);
}

// With stacks of our own, which libc does not keep: each join frees at once.
static void end_many(void) {
  char* stacks = mmap(NULL, ENDED * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(stacks != MAP_FAILED);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  for (int i = 0; i < ENDED; ++i) {
    REQUIRE(pthread_attr_setstack(&attributes, stacks + (size_t)i * STACK, STACK) == 0);
    REQUIRE(pthread_create(&threads[i], &attributes, use_and_end, NULL) == 0);
  }
  pthread_attr_destroy(&attributes);
}

// Nothing is started while a signal is blocked, as in a handler; so it is wanted at the first tick of the joins, which free
// large blocks of other threads: each is a slow path.
int main(void) {
  begin(60);
  load_plugin();
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR1);
  REQUIRE(pthread_sigmask(SIG_BLOCK, &one, NULL) == 0);
  REQUIRE(pthread_barrier_init(&let_go, NULL, 2) == 0);
  pthread_t other;
  REQUIRE(pthread_create(&other, NULL, live_on, NULL) == 0);
  for (int i = 0; i < BLOCKS; ++i) blocks[i] = malloc(SIZE);
  end_many();
  REQUIRE(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
  const uint64_t due = now_ms() + 60;  // a tick
  while (now_ms() < due) {
  }
  for (int i = 0; i < ENDED; ++i) REQUIRE(pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < BLOCKS; ++i) free(blocks[i]);
  pthread_barrier_wait(&let_go);
  REQUIRE(pthread_join(other, NULL) == 0);
  return finish();
}
