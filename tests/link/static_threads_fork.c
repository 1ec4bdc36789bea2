// A static program with threads that allocate while it forks, and what malloc tells of itself there.
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hakmem/hakmem.h"

static atomic_bool stop;
static int failures;

static void expect(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "static_threads_fork: %s\n", what);
  ++failures;
}

static void* storm(void* argument) {
  void* blocks[100] = {0};
  for (unsigned i = (unsigned)(size_t)argument; !atomic_load(&stop); i = i * 1664525 + 1013904223) {
    free(blocks[(i >> 8) % 100]);
    blocks[(i >> 8) % 100] = malloc((i >> 16) % 9000);
  }
  for (int i = 0; i < 100; ++i) free(blocks[i]);
  return NULL;
}

static void* once(void* ignored) {
  free(malloc(1000));
  return NULL;
}

static int child(void) {
  pthread_t thread;
  alarm(10);
  for (size_t i = 0; i < 500; ++i) free(malloc(i * 20));
  if (pthread_create(&thread, NULL, once, NULL) != 0) return 2;
  pthread_join(thread, NULL);
  return hak_check_stopped() == NULL ? 0 : 3;
}

static void check_info(void) {
  static char text[32768];
  const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  void* block = malloc(100 << 20);
  expect(mallinfo2().uordblks + mallinfo2().hblkhd >= before + (100 << 20), "mallinfo2");
  FILE* out = fmemopen(text, sizeof text, "w");
  expect(malloc_info(0, out) == 0, "malloc_info");
  fclose(out);
  expect(strstr(text, "<malloc version=") != NULL && strstr(text, "</malloc>") != NULL, "its XML");
  free(block);
}

int main(void) {
  alarm(20);
  pthread_t threads[3];
  for (size_t i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, storm, (void*)(i + 1));
  for (int i = 0; i < 100; ++i) {
    const pid_t pid = fork();
    if (pid == 0) _exit(child());
    int status = 0;
    expect(waitpid(pid, &status, 0) == pid && status == 0, "a child");
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  check_info();
  expect(malloc_usable_size(hak_malloc(100)) == hak_usable_size(hak_malloc(100)), "one heap");
  expect(hak_check() == NULL && hak_check_stopped() == NULL, "hak_check");
  return failures != 0;
}
