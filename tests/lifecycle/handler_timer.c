// A handler that allocates and frees comes every 200 microseconds while the main line does the
// same, in two threads: no deadlock, no damaged heap. The handler's blocks are gone when it
// returns, and it takes them from a size that the main line does not use: that is what a program
// can rely on (see DESIGN, signals).
#include <pthread.h>
#include <sys/time.h>
#include <time.h>

#include "support/program.h"

static volatile sig_atomic_t handled;
static long wanted;
static uint64_t begun_ms;
static const struct itimerval never = {{0, 0}, {0, 0}};

static int is_done(void) { return is_enough(handled, wanted, 100, begun_ms, 8); }

static void handler(int number) {
  const int kept_errno = errno;
  void* blocks[20];
  for (int i = 0; i < 20; ++i) {
    blocks[i] = malloc(3000);
    if (blocks[i] != NULL) mark(blocks[i], 3000);
  }
  for (int i = 20; i-- > 0;) {
    if (blocks[i] != NULL) EXPECT(is_marked(blocks[i], 3000));
    free(blocks[i]);
  }
  free(malloc(4 * MIB));
  ++handled;
  // Where a handler takes longer than the timer, the thread it interrupts gets no further by itself.
  if (is_done()) setitimer(ITIMER_REAL, &never, NULL);
  errno = kept_errno;
}

static void* work(void* argument) {
  enum { kBlocks = 2000 };
  static __thread void* blocks[kBlocks];
  static __thread size_t sizes[kBlocks];
  uint32_t random = (uint32_t)(uintptr_t)argument;
  while (!is_done()) {
    for (int turn = 0; turn < 10000 && (turn % 100 != 0 || !is_done()); ++turn) {
      const uint32_t r = next_random(&random);
      const int i = (int)(r % kBlocks);
      if (blocks[i] != NULL) EXPECT(is_marked(blocks[i], sizes[i]));
      if (r % 5 == 0 && blocks[i] != NULL) {
        sizes[i] = 16 + (r >> 12) % 2000;
        blocks[i] = realloc(blocks[i], sizes[i]);
      } else {
        free(blocks[i]);
        sizes[i] = r % 500 == 0 ? 3 * MIB : 16 + (r >> 12) % 2000;
        blocks[i] = malloc(sizes[i]);
      }
      REQUIRE(blocks[i] != NULL);
      mark(blocks[i], sizes[i]);
      if (r % 10000 == 1) malloc_trim(0);
      if (r % 10000 == 2) (void)mallinfo2();
    }
  }
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  return NULL;
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  // The alarm is this test's timer, so somebody else must notice a hang: a child is given time.
  begin(25);
  wanted = how_many(2500);
  const pid_t watched = fork();
  REQUIRE(watched >= 0);
  if (watched != 0) {
    EXPECT(wait_at_most(watched, seconds_for(20)) == 0);
    return finish();
  }
  alarm(0);
  REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
  begun_ms = now_ms();
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, work, (void*)12345) == 0);
  // After the thread: no clone ends between two signals on a slow machine.
  const struct itimerval every = {{0, 200}, {0, 200}};
  REQUIRE(setitimer(ITIMER_REAL, &every, NULL) == 0);
  work((void*)678);
  pthread_join(thread, NULL);
  setitimer(ITIMER_REAL, &never, NULL);
  return finish();
}
