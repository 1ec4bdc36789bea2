// A wrong size is said once and counted, and the block is freed all the same.
#include "support/program.h"

static int free_with_wrong_sizes(void* ignored) {
  (void)ignored;
  free_sized(malloc(1000), 10);
  free_sized(malloc(10), 1000);
  free_sized(malloc(100), 99999);
  free_aligned_sized(aligned_alloc(64, 64), 64, 4096);
  return finish();
}

// The hardened flavour ends the program at the first.
static int judge_hardened(const struct outcome* outcome) {
  const int died = WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGABRT;
  EXPECT(died && matches(outcome->errors,
                         "^==[0-9]+==ERROR: hakmem: size-mismatch on address 0x[0-9a-f]+ [^\n]*\n"
                         "    block of 1000 bytes, alignment 16, freed with size 10\n"));
  return finish();
}

int main(void) {
  begin(20);
  REQUIRE(free_sized != NULL && free_aligned_sized != NULL);
  const struct outcome outcome = run_forked(free_with_wrong_sizes, NULL);
  if (is_hardened()) return judge_hardened(&outcome);
  EXPECT(exited_with(&outcome, 0));
  EXPECT(matches(outcome.errors,
                 "^hakmem: block 0x[0-9a-f]+ of 1024 bytes freed with size 10; "
                 "more of this kind are only counted\n$"));
  if (program_failures != 0) say(outcome.errors);
  return finish();
}
