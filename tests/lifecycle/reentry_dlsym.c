// A preloaded wrapper of malloc that finds the next one with dlsym, which itself allocates: the
// oldest trap of interposition, on top of us and below us.
#include "support/program.h"

static int scene_wrapped(void) {
  long (*calls)(void) = (long (*)(void))dlsym(RTLD_DEFAULT, "calls_of_wrapper");
  REQUIRE(calls != NULL);
  const long before = calls();
  void* blocks[100];
  for (int i = 0; i < 100; ++i) blocks[i] = calloc((size_t)i + 1, 100);
  for (int i = 0; i < 100; ++i) blocks[i] = realloc(blocks[i], 5000);
  for (int i = 0; i < 100; ++i) free(blocks[i]);
  EXPECT(calls() - before >= 100);
  void* hak_malloc = dlsym(RTLD_DEFAULT, "hak_malloc");
  EXPECT(hak_malloc != NULL || any_malloc_will_do());
  return finish();
}

int main(int argc, char** argv) {
  if (is_scene(argc, argv, "wrapped")) return scene_wrapped();
  begin(20);
  const char* preload = getenv("LD_PRELOAD");
  REQUIRE(getenv("TEST_PLUGINS") != NULL);
  char text[4096];
  snprintf(text, sizeof text, "LD_PRELOAD=%s/wrapper.so:%s", getenv("TEST_PLUGINS"),
           preload == NULL ? "" : preload);
  struct outcome outcome = run_self("wrapped", text);
  EXPECT_SUCCESS(outcome);
  return finish();
}
