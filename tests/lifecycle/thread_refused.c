// The system refuses the thread that gives memory back: no call that succeeds says so in errno, and it is asked again
// when the time may be better.
#include <sys/prctl.h>

#include "support/program.h"

#define BLOCKS 4000
#define SIZE 900
#define NOBODY 65534

static char* blocks[BLOCKS];

static void work(void) {
  errno = ENOTTY;
  for (int i = 0; i < BLOCKS; ++i) blocks[i] = malloc(SIZE);
  for (int i = 0; i < BLOCKS; ++i) free(blocks[i]);
  EXPECT(errno == ENOTTY);
}

static void set_threads(rlim_t most) {
  struct rlimit limit;
  REQUIRE(getrlimit(RLIMIT_NPROC, &limit) == 0);
  limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
  REQUIRE(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static int be_refused(void) {
  begin(40);
  // For root there is no such limit.
  if (getuid() == 0) {
    REQUIRE(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
  set_threads(0);
  const uint64_t end = now_ms() + 300;
  while (now_ms() < end) work();
  EXPECT(threads_now() == 1);
  set_threads(RLIM_INFINITY);
  // The alarm of begin() ends a wait in vain.
  while (threads_now() == 1) work();
  return finish();
}

int main(int argc, char** argv) {
  if (argc > 1) return be_refused();
  begin(50);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("HAKMEM_SCAVENGER", "on", 1);
    execl(argv[0], argv[0], "refused", (char*)NULL);
    _exit(99);
  }
  const int status = wait_at_most(child, 40);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return finish();
}
