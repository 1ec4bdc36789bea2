// A handler that allocates and frees, after every single instruction of malloc and its family:
// never a deadlock, never a damaged heap. (Where the interrupted frame is malloc or free itself the
// two may get the same block, as with glibc; so the handler's blocks are gone when it returns.)
//
// Open, and not covered here because it fails: a handler that keeps many blocks, and one that
// interrupts a run of refills and flushes. Both can damage a stack of the interrupted thread.
#include <pthread.h>

#include "support/stepping.h"

enum { kKept = 100 };
static void* kept[kKept];
static size_t size_now;

// --- Handlers.

static void small_handler(void) { free(malloc(size_now)); }

// Overflows and empties a short stack.
static void busy_handler(void) {
  void* mine[12];
  for (int i = 0; i < 12; ++i) mine[i] = malloc(size_now);
  for (int i = 12; i-- > 0;) free(mine[i]);
}

// --- What they interrupt.

static void nothing(void) {}

static void* allocate_and_leave(void* ignored) {
  for (int i = 0; i < kKept; ++i) kept[i] = malloc(size_now);
  for (int i = 0; i < kKept; i += 2) {
    free(kept[i]);
    kept[i] = NULL;
  }
  return NULL;
}

// A parked cache, half of whose blocks are this thread's to free.
static void inherit(void) {
  pthread_t thread;
  for (int i = 0; i < kKept; ++i) free(kept[i]);
  REQUIRE(pthread_create(&thread, NULL, allocate_and_leave, NULL) == 0);
  pthread_join(thread, NULL);
}

static void free_inherited(void) {
  for (int i = 0; i < kKept; ++i) {
    free(kept[i]);
    kept[i] = NULL;
  }
}

static void leave_something(void) {
  inherit();
  free_inherited();
}

static void call_malloc_free(void) { free(malloc(size_now)); }
static void call_huge(void) { free(malloc(4 * MIB)); }
static void call_trim(void) { malloc_trim(0); }
static void call_mallinfo(void) { (void)mallinfo2(); }
static void call_check(void) {
  if (hak_check != NULL) (void)hak_check();
}

struct scene {
  const char* name;
  void (*prepare)(void);
  void (*call)(void);
  long stride;
};
static const struct scene kScenes[] = {
    {"malloc and free", nothing, call_malloc_free, 10},
    {"huge malloc and free", nothing, call_huge, 10},
    {"malloc_trim", leave_something, call_trim, 3},
    {"mallinfo2", leave_something, call_mallinfo, 2},
    {"hak_check", leave_something, call_check, 2},
    {"free of others' blocks", inherit, free_inherited, 4},
};
static const struct {
  const char* name;
  void (*run)(void);
} kHandlers[] = {{"small handler", small_handler},
                 {"busy handler", busy_handler}};
static const size_t kSizes[] = {24, 3000};

struct task {
  int scene, handler, size;
};

static int run_task(void* argument) {
  const struct task* task = argument;
  const struct scene* scene = &kScenes[task->scene];
  size_now = kSizes[task->size];
  alarm(6);
  interrupt_each_instruction(scene->prepare, scene->call, kHandlers[task->handler].run,
                             scene->stride);
  EXPECT_SOUND_HEAP();
  return finish();
}

static void say_interruption(const struct task* task, const struct outcome* outcome) {
  char line[160];
  const int is_hang = WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGALRM;
  snprintf(line, sizeof line, "%s of %zu bytes, interrupted by the %s: %s (status 0x%x)",
           kScenes[task->scene].name, kSizes[task->size], kHandlers[task->handler].name,
           is_hang ? "hangs" : "fails", outcome->status);
  say_failure(__FILE__, __LINE__, line);
  say(outcome->errors);
  ++program_failures;
}

int main(void) {
  if (!CAN_STEP) return SKIPPED;
  begin(100);
  for (int scene = 0; scene < sizeof kScenes / sizeof kScenes[0] && program_failures < 4; ++scene) {
    for (int handler = 0; handler < sizeof kHandlers / sizeof kHandlers[0]; ++handler) {
      for (int size = 0; size < 2; ++size) {
        struct task task = {scene, handler, size};
        const struct outcome outcome = run_forked(run_task, &task);
        if (!exited_with(&outcome, 0)) say_interruption(&task, &outcome);
      }
    }
  }
  return finish();
}
