// fork in a signal handler that interrupted malloc, at every instruction of it: the child may
// allocate, and neither side waits for a lock that its own interrupted frame holds.
#include "support/stepping.h"

enum { kBlocks = 30 };
static int forks;

static void fork_handler(void) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(5);
    // The interrupted frame may be malloc itself and hold its locks, so nothing is asked about the
    // heap as a whole; progress is what is promised.
    void* blocks[20];
    for (size_t i = 0; i < 20; ++i) blocks[i] = malloc(i * 300);
    for (size_t i = 20; i-- > 0;) free(blocks[i]);
    free(malloc(3 * MIB));
    _exit(0);
  }
  const int status = wait_at_most(child, 3);
  if (status != 0) {
    char line[80];
    snprintf(line, sizeof line, "the child of fork %d ended with status 0x%x", forks, status);
    say_failure(__FILE__, __LINE__, line);
    if (++program_failures > 3) _exit(1);
  }
  ++forks;
}

static void nothing(void) {}
static void small_blocks(void) {
  void* blocks[kBlocks];
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(40);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
}
static void new_slab(void) {
  static size_t size = 1000;
  size = size % 30000 + 700;
  free(malloc(size));
}
static void huge_block(void) { free(malloc(3 * MIB)); }

int main(void) {
  if (!CAN_STEP) return SKIPPED;
  begin(20);
  stepping_seconds = 15;
  // A few phases each of a stride that visits some 30 instructions in every phase.
  interrupt_each_instruction(nothing, small_blocks, fork_handler, 41);
  EXPECT_SOUND_HEAP();
  interrupt_each_instruction(nothing, new_slab, fork_handler, 41);
  EXPECT_SOUND_HEAP();
  interrupt_each_instruction(nothing, huge_block, fork_handler, 17);
  EXPECT(forks > 100);
  return finish();
}
