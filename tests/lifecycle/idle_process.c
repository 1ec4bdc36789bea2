// A process that sleeps gives memory back all the same: a thread of hakmem's sees to it, once two
// threads use the heap and it is of some size. It is not there before, not when an option says so, and
// not in the child of a fork.
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/wait.h>

#include "support/program.h"

#define BLOCKS 600000
#define SIZE 120

static char* blocks[BLOCKS];
static sem_t let_go;

static void* sleep_with_a_cache(void* ready) {
  free(malloc(SIZE));
  sem_post(ready);
  while (sem_wait(&let_go) != 0) {
  }
  return NULL;
}

static pthread_t start_sleeper(void) {
  pthread_t sleeper;
  sem_t ready;
  sem_init(&ready, 0, 0);
  REQUIRE(pthread_create(&sleeper, NULL, sleep_with_a_cache, &ready) == 0);
  while (sem_wait(&ready) != 0) {
  }
  return sleeper;
}

// Survivors of two kinds: runs of 100, and single ones.
static int survives(int i) {
  return i < BLOCKS / 2 ? i / 100 % 20 == 0 : i % 400 == 0;
}

static void grow(void) {
  for (int i = 0; i < BLOCKS; ++i) {
    blocks[i] = malloc(SIZE);
    mark(blocks[i], SIZE);
  }
}

static void shrink(void) {
  for (int i = 0; i < BLOCKS; ++i) {
    if (!survives(i)) free(blocks[i]);
  }
}

// The alarm of begin() ends a wait in vain. No malloc, and no sleep: what is waited for is the page count.
static void wait_until_below(size_t bytes) {
  while (resident_bytes() >= bytes) sched_yield();
}

static void expect_to_shrink(void) {
  const size_t before = resident_bytes();
  grow();
  const size_t peak = resident_bytes();
  shrink();
  // A tenth, and the pages of survivors: nobody calls malloc from here on.
  wait_until_below(before + (peak - before) / 6);
  for (int i = 0; i < BLOCKS; ++i) {
    if (survives(i)) EXPECT(is_marked(blocks[i], SIZE));
  }
}

// Taken and freed again and again, so that they are kept; by now they are not.
static void expect_large_buffers_to_go(void) {
  const size_t size = (size_t)64 << 20;
  const size_t before = resident_bytes();
  for (int i = 0; i < 3; ++i) {
    char* buffer = malloc(size);
    memset(buffer, 1, size);
    free(buffer);
  }
  EXPECT(is_hardened() || resident_bytes() > before + size / 2);
  wait_until_below(before + size / 8);
}

static void free_survivors(void) {
  for (int i = 0; i < BLOCKS; ++i) {
    if (survives(i)) free(blocks[i]);
  }
}

static void expect_child(int status) { EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0); }

static int child_of_fork(void) {
  EXPECT(threads_now() == 1);
  free_survivors();
  pthread_t sleeper = start_sleeper();
  expect_to_shrink();
  EXPECT(threads_now() == 3);
  free_survivors();
  sem_post(&let_go);
  pthread_join(sleeper, NULL);
  return finish();
}

static void run_with(const char* program, const char* value, const char* what) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("HAKMEM_SCAVENGER", value, 1);
    setenv("HAKMEM_MEMORY_LIMIT", "64GiB", 1);  // whatever pressure the machine is under
    execl(program, program, what, (char*)NULL);
    _exit(99);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  expect_child(status);
}

// Grows, gives up and looks around; malloc is called now and then, so that ticks come by.
static int look_around(int threads_expected) {
  pthread_t sleeper = start_sleeper();
  grow();
  shrink();
  EXPECT(threads_now() == threads_expected + 1);
  free_survivors();
  sem_post(&let_go);
  pthread_join(sleeper, NULL);
  return finish();
}

static int with_large_buffers(void) {
  pthread_t sleeper = start_sleeper();
  grow();
  expect_large_buffers_to_go();
  shrink();
  free_survivors();
  sem_post(&let_go);
  pthread_join(sleeper, NULL);
  return finish();
}

int main(int argc, char** argv) {
  begin(90);
  sem_init(&let_go, 0, 0);
  if (argc > 1 && strcmp(argv[1], "off") == 0) return look_around(1);
  if (argc > 1 && strcmp(argv[1], "buffers") == 0) return with_large_buffers();
  if (argc > 1) return look_around(2);

  grow();
  EXPECT(threads_now() == 1);
  shrink();
  free_survivors();
  EXPECT(threads_now() == 1);
  pthread_t sleeper = start_sleeper();
  expect_to_shrink();
  EXPECT(threads_now() == 3);

  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    begin(60);
    _exit(child_of_fork());
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  expect_child(status);

  run_with(argv[0], "off", "off");
  run_with(argv[0], "on", "on");
  run_with(argv[0], "auto", "buffers");
  free_survivors();
  sem_post(&let_go);
  pthread_join(sleeper, NULL);
  return finish();
}
