// The "registry full" failure of old must be impossible: with reservations of 4 MiB a heap of 1 GiB
// is cut from hundreds of them, and a million slab turnovers leave it where it began.
#include "support/program.h"

enum { kLarge = 1024, kSmall = 20000 };
static void* blocks[kSmall];

static void turn_over(size_t size) {
  for (int i = 0; i < kSmall; ++i) {
    blocks[i] = malloc(size);
    REQUIRE(blocks[i] != NULL);
  }
  for (int i = 0; i < kSmall; ++i) free(blocks[i]);
}

static int scene_small(void) {
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < kLarge; ++i) {
      blocks[i] = malloc(MIB - 100);
      REQUIRE(blocks[i] != NULL);
      mark(blocks[i], MIB - 100);
    }
    EXPECT_SOUND_HEAP();
    for (int i = 0; i < kLarge; ++i) {
      EXPECT(is_marked(blocks[i], MIB - 100));
      free(blocks[i]);
    }
    EXPECT_SOUND_HEAP();
  }
  malloc_trim(0);
  const struct mallinfo2 begin_info = mallinfo2();
  for (int turn = 0; turn < 60; ++turn) turn_over((size_t)100 + (size_t)turn % 7 * 300);
  malloc_trim(0);
  const struct mallinfo2 end_info = mallinfo2();
  EXPECT(end_info.arena <= begin_info.arena + 4 * MIB);
  EXPECT(end_info.uordblks <= begin_info.uordblks + MIB);
  return finish();
}

int main(int argc, char** argv) {
  begin(30);
  if (is_scene(argc, argv, "small")) return scene_small();
  static const char* const kReserves[] = {"HAKMEM_RESERVE=4M", "HAKMEM_RESERVE=2M",
                                          "HAKMEM_RESERVE=64M"};
  for (int i = 0; i < 3; ++i) {
    const struct outcome outcome = run_self("small", kReserves[i]);
    EXPECT_SUCCESS(outcome);
    EXPECT(outcome.errors[0] == '\0');
  }
  return finish();
}
