// What happens around a process that keeps its freed memory (HAKMEM_DECAY=never): its container's limit
// is lowered, or another process of the container takes the room. It gives back, although its own limit
// was never near; and keeps again when there is room.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "support/cgroup.h"

#define SIZE 1000
#define BLOCKS_MAX (128 * MIB / SIZE)

static char* blocks[BLOCKS_MAX];

static void leave_garbage(size_t bytes) {
  const size_t count = bytes / SIZE;
  for (size_t i = 0; i < count; ++i) {
    blocks[i] = malloc(SIZE);
    REQUIRE(blocks[i] != NULL);
    memset(blocks[i], 0x5a, SIZE);
  }
  for (size_t i = 0; i < count; ++i) free(blocks[i]);
}

// A program at work on little: its slow paths are where the allocator looks around.
static void work(void) {
  for (size_t i = 0; i < 3000; ++i) blocks[i] = malloc(64);
  for (size_t i = 0; i < 3000; ++i) free(blocks[i]);
  sched_yield();
}

static void say_over(int pipe_end) { REQUIRE(write(pipe_end, "x", 1) == 1); }

static void wait_for(int pipe_end) {
  char c;
  REQUIRE(read(pipe_end, &c, 1) == 1);
}

// The alarm of begin() ends a wait in vain.
static int keep_and_give_back(size_t garbage, int keeps_again, int from_parent, int to_parent) {
  begin(60);
  leave_garbage(garbage);
  EXPECT(resident_bytes() > garbage);
  say_over(to_parent);
  wait_for(from_parent);
  while (resident_bytes() > garbage / 2) work();
  say_over(to_parent);
  wait_for(from_parent);
  while (keeps_again && resident_bytes() < garbage) {
    leave_garbage(garbage);
    work();
  }
  return finish();
}

struct keeper {
  pid_t pid;
  int to;
  int from;
};

static struct keeper start_keeper(const char* program, const struct cgroup* group, size_t garbage,
                                  int keeps_again) {
  int down[2];
  int up[2];
  REQUIRE(pipe(down) == 0 && pipe(up) == 0);
  const struct keeper keeper = {fork(), down[1], up[0]};
  REQUIRE(keeper.pid >= 0);
  if (keeper.pid != 0) {
    close(down[0]);
    close(up[1]);
    wait_for(keeper.from);
    return keeper;
  }
  setenv("HAKMEM_DECAY", "never", 1);
  REQUIRE(enter_cgroup(group));
  char arguments[4][24];
  snprintf(arguments[0], sizeof arguments[0], "%zu", garbage);
  snprintf(arguments[1], sizeof arguments[1], "%d", keeps_again);
  snprintf(arguments[2], sizeof arguments[2], "%d", down[0]);
  snprintf(arguments[3], sizeof arguments[3], "%d", up[1]);
  execl(program, program, arguments[0], arguments[1], arguments[2], arguments[3], (char*)NULL);
  _exit(99);
}

static void expect_good_end(struct keeper keeper) {
  say_over(keeper.to);
  int status = 0;
  REQUIRE(waitpid(keeper.pid, &status, 0) == keeper.pid);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  close(keeper.to);
  close(keeper.from);
}

// What is kept is more than seven eighths of the new limit, and fits it.
static void lower_the_limit(const char* program, const struct cgroup* group) {
  REQUIRE(set_limit(group, 512 * MIB));
  const struct keeper keeper = start_keeper(program, group, 128 * MIB, 0);
  REQUIRE(set_limit(group, 144 * MIB));
  say_over(keeper.to);
  wait_for(keeper.from);
  expect_good_end(keeper);
}

static pid_t start_neighbour(const struct cgroup* group, size_t bytes) {
  int up[2];
  REQUIRE(pipe(up) == 0);
  const pid_t neighbour = fork();
  REQUIRE(neighbour >= 0);
  if (neighbour == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    REQUIRE(enter_cgroup(group));
    char* taken = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(taken != MAP_FAILED);
    memset(taken, 1, bytes);
    say_over(up[1]);
    for (;;) pause();
  }
  close(up[1]);
  wait_for(up[0]);
  close(up[0]);
  return neighbour;
}

static void let_a_neighbour_take_the_room(const char* program, const struct cgroup* group) {
  REQUIRE(set_limit(group, 256 * MIB));
  const struct keeper keeper = start_keeper(program, group, 64 * MIB, 1);
  const pid_t neighbour = start_neighbour(group, 168 * MIB);
  say_over(keeper.to);
  wait_for(keeper.from);
  REQUIRE(kill(neighbour, SIGKILL) == 0 && waitpid(neighbour, NULL, 0) == neighbour);
  expect_good_end(keeper);
}

int main(int argc, char** argv) {
  if (argc == 5) {
    return keep_and_give_back(strtoul(argv[1], NULL, 10), atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
  }
  begin(150);
  // The sizes are the default flavour's; the hardened one takes more for the same blocks, and has the same
  // boxes for this.
  if (is_hardened()) return SKIPPED;
  struct cgroup group;
  if (!make_cgroup(&group, 512 * MIB)) return SKIPPED;
  lower_the_limit(argv[0], &group);
  let_a_neighbour_take_the_room(argv[0], &group);
  EXPECT(rmdir(group.folder) == 0);
  return finish();
}
