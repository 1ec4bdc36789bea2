// vfork, posix_spawn, system and popen while other threads are inside malloc: the parent's heap,
// which a vfork child shares, is unharmed.
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>

#include "support/program.h"

extern char** environ;
static atomic_bool stop;

static void* storm(void* argument) {
  uint32_t random = (uint32_t)(uintptr_t)argument;
  void* blocks[200] = {0};
  while (!atomic_load(&stop)) {
    const uint32_t r = next_random(&random);
    free(blocks[r % 200]);
    blocks[r % 200] = malloc((r >> 10) % 20000);
  }
  for (int i = 0; i < 200; ++i) free(blocks[i]);
  return NULL;
}

static void expect_child(pid_t child) {
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static void with_vfork(void) {
  const pid_t child = vfork();
  if (child == 0) {
    free(malloc(100));  // not allowed by the letter, done in the wild
    execl("/bin/true", "true", (char*)NULL);
    _exit(1);
  }
  expect_child(child);
}

static void with_spawn(void) {
  pid_t child = 0;
  char* arguments[] = {"sh", "-c", "exit 0", NULL};
  EXPECT(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0);
  expect_child(child);
}

int main(void) {
  begin(20);
  pthread_t threads[3];
  for (long i = 0; i < 3; ++i) {
    REQUIRE(pthread_create(&threads[i], NULL, storm, (void*)(i + 1)) == 0);
  }
  for (long left = how_many(60); left > 0; --left) {
    with_vfork();
    with_spawn();
    EXPECT(system("exit 0") == 0);
    FILE* output = popen("echo word", "r");
    char word[16] = "";
    REQUIRE(output != NULL);
    EXPECT(fgets(word, sizeof word, output) != NULL && strcmp(word, "word\n") == 0);
    EXPECT(pclose(output) == 0);
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  return finish();
}
