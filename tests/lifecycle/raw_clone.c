// Children that libc does not know of: a clone that copies the process without its fork handlers, and one
// that shares its memory and runs in the caller's thread-local memory, as vfork's does.
#include <sched.h>
#include <sys/syscall.h>

#include "support/program.h"

static void* kept[500];

static int use_heap(void* ignored) {
  void* blocks[300];
  for (size_t i = 0; i < 300; ++i) {
    blocks[i] = malloc(16 + i * 100);
    if (blocks[i] == NULL) return 1;
    mark(blocks[i], 16 + i * 100);
  }
  for (size_t i = 0; i < 300; ++i) {
    if (!is_marked(blocks[i], 16 + i * 100)) return 2;
    free(blocks[i]);
  }
  for (int i = 0; i < 500; i += 2) {
    if (!is_marked(kept[i], 72)) return 3;
    free(kept[i]);
    kept[i] = malloc(72);
    mark(kept[i], 72);
  }
  free(malloc(3 * MIB));
  return hak_check != NULL && hak_check() != NULL ? 4 : 0;
}

// The program has one thread, so no lock can be held in the copy.
static void copied(void) {
  const long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  REQUIRE(child >= 0);
  if (child == 0) _exit(use_heap(NULL));
  EXPECT(wait_at_most((pid_t)child, 10) == 0);
}

static void shared(char* stack_end) {
  const int child = clone(use_heap, stack_end, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
  REQUIRE(child >= 0);
  EXPECT(wait_at_most(child, 10) == 0);
}

int main(void) {
  begin(20);
  const size_t stack_bytes = 256 * KIB;
  char* stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(stack != MAP_FAILED);
  for (int i = 0; i < 500; ++i) {
    kept[i] = malloc(72);
    mark(kept[i], 72);
  }
  for (long left = how_many(50); left > 0; --left) {
    copied();
    shared(stack + stack_bytes);
  }
  for (int i = 0; i < 500; ++i) {
    EXPECT(is_marked(kept[i], 72));
    free(kept[i]);
  }
  return finish();
}
