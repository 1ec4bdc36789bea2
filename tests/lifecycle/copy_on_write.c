// After fork, pages stay shared until somebody writes what he allocated: neither the child's start, nor
// what the parent gives back meanwhile, nor the child's frees copy pages, because nothing of the
// allocator's lies in user memory.
#include <pthread.h>
#include <semaphore.h>

#include "support/program.h"

enum { kBlocks = 24000, kBlockBytes = 2500, kHalf = kBlocks / 2 };
static char* blocks[kBlocks];
static sem_t let_go;

// A field of smaps_rollup in bytes.
static size_t field_of(pid_t process, const char* name) {
  char text[4096];
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)process);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) _exit(SKIPPED);
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  REQUIRE(length > 0);
  text[length] = '\0';
  const char* found = strstr(text, name);
  REQUIRE(found != NULL);
  return strtoul(found + strlen(name), NULL, 10) * KIB;
}

static size_t pages_of_both(pid_t child) {
  return field_of(getpid(), "\nPss:") + field_of(child, "\nPss:");
}

static void expect_at_most(const char* what, size_t bytes, size_t most) {
  if (bytes <= most) return;
  char line[120];
  snprintf(line, sizeof line, "%s: %zu KiB, at most %zu expected", what, bytes / KIB, most / KIB);
  say_failure(__FILE__, __LINE__, line);
  ++program_failures;
}

static void* wait_with_a_cache(void* ready) {
  for (int i = 0; i < 1000; ++i) free(malloc((size_t)i * 8));
  sem_post(ready);
  while (sem_wait(&let_go) != 0) {
  }
  return NULL;
}

static void wait_for(int pipe_end) {
  char byte;
  REQUIRE(read(pipe_end, &byte, 1) == 1);
}
static void tell(int pipe_end) { REQUIRE(write(pipe_end, "x", 1) == 1); }

static int child(int from_parent, int to_parent) {
  tell(to_parent);
  wait_for(from_parent);
  for (int i = kHalf; i < kBlocks; ++i) EXPECT(is_marked(blocks[i], kBlockBytes));
  if (is_hardened()) return finish();  // it writes to what is freed
  // The second half's pages are shared: a fault is a copy.
  struct rusage before, after;
  REQUIRE(getrusage(RUSAGE_SELF, &before) == 0);
  for (int i = kHalf; i < kBlocks; ++i) free(blocks[i]);
  REQUIRE(getrusage(RUSAGE_SELF, &after) == 0);
  const size_t faults = (size_t)(after.ru_minflt - before.ru_minflt);
  expect_at_most("copied by the child's frees", faults * (size_t)sysconf(_SC_PAGESIZE), MIB);
  return finish();
}

static pthread_t start_second_thread(void) {
  pthread_t thread;
  sem_t ready;
  REQUIRE(sem_init(&ready, 0, 0) == 0 && sem_init(&let_go, 0, 0) == 0);
  REQUIRE(pthread_create(&thread, NULL, wait_with_a_cache, &ready) == 0);
  while (sem_wait(&ready) != 0) {
  }
  return thread;
}

int main(void) {
  begin(40);
  int to_child[2], to_parent[2];
  REQUIRE(pipe(to_child) == 0 && pipe(to_parent) == 0);
  const pthread_t thread = start_second_thread();
  for (int i = 0; i < kBlocks; ++i) {
    blocks[i] = malloc(kBlockBytes);
    memset(blocks[i], 1, kBlockBytes);
    mark(blocks[i], kBlockBytes);
  }
  // With empty slots and full caches at the fork.
  const size_t parts_freed = kHalf * (size_t)kBlockBytes;
  for (int i = 0; i < kHalf; ++i) free(blocks[i]);
  const size_t alone = field_of(getpid(), "\nPss:");
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    close(to_child[1]);  // so that it ends with a parent that does
    _exit(child(to_child[0], to_parent[1]));
  }
  wait_for(to_parent[0]);
  // The child's own stack and data of libraries, and its start.
  expect_at_most("parent and child after the fork", pages_of_both(pid), alone + MIB + MIB / 2);

  // Nobody calls malloc; the alarm of begin() ends a wait in vain.
  const size_t resident = resident_bytes();
  while (resident_bytes() + parts_freed / 2 > resident) sched_yield();
  expect_at_most("parent and child, once the parent gave back", pages_of_both(pid),
                 alone + MIB + MIB / 2);
  malloc_trim(0);
  expect_at_most("parent and child, after malloc_trim", pages_of_both(pid), alone + 2 * MIB);
  tell(to_child[1]);
  EXPECT(wait_at_most(pid, 20) == 0);
  for (int i = kHalf; i < kBlocks; ++i) EXPECT(is_marked(blocks[i], kBlockBytes));
  sem_post(&let_go);
  pthread_join(thread, NULL);
  return finish();
}
