// exit in a signal handler that interrupted malloc or free, at instructions all over them (in the soak at
// each): handlers of atexit and destructors allocate, and the process ends with its own status.
#include "support/stepping.h"

static long instructions;
static long step;
static int exits;
static void* kept;

static void at_exit(void) {
  free(kept);
  void* blocks[50];
  for (size_t i = 0; i < 50; ++i) blocks[i] = malloc(i * 200);
  for (size_t i = 0; i < 50; ++i) free(blocks[i]);
  free(malloc(3 * MIB));
}

static void count(void) { ++instructions; }

static void exit_handler(void) {
  if (instructions++ % step != 0) return;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(5);
    exit(41);
  }
  const int status = wait_at_most(child, 6);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 41) {
    char line[80];
    snprintf(line, sizeof line, "exit %d ended with status 0x%x", exits, (unsigned)status);
    say_failure(__FILE__, __LINE__, line);
    if (++program_failures > 3) _exit(1);
  }
  ++exits;
}

static void nothing(void) {}
static void small_blocks(void) {
  void* blocks[3];
  for (int i = 0; i < 3; ++i) blocks[i] = malloc(56);
  for (int i = 0; i < 3; ++i) free(blocks[i]);
}
static void new_slab(void) {
  static size_t size = 1000;
  size = size % 30000 + 700;
  free(malloc(size));
}

int main(void) {
  if (!CAN_STEP) return SKIPPED;
  begin(30);
  kept = malloc(5000);
  REQUIRE(atexit(at_exit) == 0);
  interrupt_each_instruction(nothing, small_blocks, count, 41);
  interrupt_each_instruction(nothing, new_slab, count, 41);
  const long wanted = how_many(150) < instructions ? how_many(150) : instructions;
  step = instructions / wanted;
  instructions = 0;
  interrupt_each_instruction(nothing, small_blocks, exit_handler, 41);
  interrupt_each_instruction(nothing, new_slab, exit_handler, 41);
  EXPECT(exits >= wanted / 2);
  return finish();
}
