// A handler that allocates and frees, after every single instruction of malloc and its family: never a
// deadlock, never a crash, and never a damaged heap where the handler's blocks are of a size that the
// interrupted line does not use, or are gone when it returns and went no further than the stack. (Else
// the two may get the same block, as with glibc, and when both have freed it, that is reported.)
#include <pthread.h>
#include <stdbool.h>

#include "support/stepping.h"

enum { kKept = 100, kBatch = 40, kHungry = 300 };
static void* kept[kKept];
static size_t size_now;
static size_t handler_size_now;

// --- Handlers.

static void small_handler(void) { free(malloc(handler_size_now)); }

// Overflows and empties a short stack.
static void busy_handler(void) {
  void* mine[12];
  for (int i = 0; i < 12; ++i) mine[i] = malloc(handler_size_now);
  for (int i = 12; i-- > 0;) free(mine[i]);
}

static void huge_handler(void) { free(malloc(3 * MIB)); }

// Makes stacks grow: what it takes stays for a while.
static void hungry_handler(void) {
  static void* taken[kHungry];
  static int next;
  for (int i = 0; i < 7; ++i) {
    free(taken[next]);
    taken[next] = malloc(handler_size_now);
    next = (next + 1) % kHungry;
  }
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
static void call_up_and_down(void) {
  void* blocks[kBatch];
  for (int i = 0; i < kBatch; ++i) blocks[i] = malloc(size_now);
  for (int i = 0; i < kBatch; ++i) free(blocks[i]);
}
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
  bool stays_on_stack;
};
static const struct scene kScenes[] = {
    {"malloc and free", nothing, call_malloc_free, 10, true},
    {"refill and flush", nothing, call_up_and_down, 3, false},
    {"huge malloc and free", nothing, call_huge, 10, true},
    {"malloc_trim", leave_something, call_trim, 3, true},
    {"mallinfo2", leave_something, call_mallinfo, 2, true},
    {"hak_check", leave_something, call_check, 2, true},
    {"free of others' blocks", inherit, free_inherited, 4, true},
};
static const struct {
  const char* name;
  void (*run)(void);
  bool leaves_nothing;
} kHandlers[] = {{"small handler", small_handler, true},
                 {"busy handler", busy_handler, true},
                 {"huge handler", huge_handler, true},
                 {"hungry handler", hungry_handler, false}};
static const size_t kSizes[] = {24, 3000};
static const size_t kOtherSizes[] = {200, 48};

struct task {
  int scene, handler, size;
  bool other_size;
};

static bool must_be_sound(const struct task* task) {
  return task->other_size ||
         (kScenes[task->scene].stays_on_stack && kHandlers[task->handler].leaves_nothing);
}

static int run_task(void* argument) {
  const struct task* task = argument;
  const struct scene* scene = &kScenes[task->scene];
  size_now = kSizes[task->size];
  handler_size_now = task->other_size ? kOtherSizes[task->size] : size_now;
  alarm(20);
  interrupt_each_instruction(scene->prepare, scene->call, kHandlers[task->handler].run,
                             scene->stride);
  return must_be_sound(task) ? finish() : program_failures != 0;
}

static bool ended_well(const struct task* task, const struct outcome* outcome) {
  if (exited_with(outcome, 0)) return true;
  const bool reported = WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGABRT &&
                        strstr(outcome->errors, "ERROR: hakmem: double-free") != NULL;
  return reported && !must_be_sound(task);
}

static void say_interruption(const struct task* task, const struct outcome* outcome) {
  char line[160];
  const int is_hang = WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGALRM;
  snprintf(line, sizeof line, "%s of %zu bytes, interrupted by the %s of %s size: %s (status 0x%x)",
           kScenes[task->scene].name, kSizes[task->size], kHandlers[task->handler].name,
           task->other_size ? "another" : "the same", is_hang ? "hangs" : "fails", outcome->status);
  say_failure(__FILE__, __LINE__, line);
  say(outcome->errors);
  ++program_failures;
}

int main(void) {
  if (!CAN_STEP) return SKIPPED;
  begin(100);
  for (int scene = 0; scene < sizeof kScenes / sizeof kScenes[0] && program_failures < 4; ++scene) {
    for (int handler = 0; handler < sizeof kHandlers / sizeof kHandlers[0]; ++handler) {
      for (int variant = 0; variant < 4; ++variant) {
        struct task task = {scene, handler, variant / 2, variant % 2};
        const struct outcome outcome = run_forked(run_task, &task);
        if (!ended_well(&task, &outcome)) say_interruption(&task, &outcome);
      }
    }
  }
  return finish();
}
