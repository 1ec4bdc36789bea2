// HAKMEM_REPORT_JSON: the whole report is one line that a JSON reader takes.
#include "support/program.h"

static int free_twice(void) {
  void* block = malloc(24);
  free(block);
  free(block);
  return 1;
}

int main(int argc, char** argv) {
  begin(20);
  if (is_scene(argc, argv, "crime")) return free_twice();
  const struct outcome outcome = run_self("crime", "HAKMEM_REPORT_JSON=on");
  EXPECT(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT);
  EXPECT(matches(outcome.errors,
                 "^\\{\"pid\":[0-9]+,\"error\":\"double-free\",\"address\":\"0x[0-9a-f]+\","
                 "\"detail\":\"block of 24 bytes from malloc/free, freed before\","
                 "\"slot_state\":\"ACTIVE\",\"block_size\":32,\"class\":1,\"slab\":\"0x[0-9a-f]+\","
                 "\"owner\":[0-9]+,\"block\":[0-9]+,\"blocks\":2048,\"offset_in_block\":0,"
                 "\"free_blocks\":[0-9]+,\"frames\":\\["
                 "(,?\\{\"address\":\"0x[0-9a-f]+\",\"module\":\"[^\"]+\",\"offset\":\"0x[0-9a-f]+\","
                 "\"build_id\":\"[0-9a-f]+\"\\})+\\]\\}\n$"));
  if (program_failures != 0) say(outcome.errors);
  return finish();
}
