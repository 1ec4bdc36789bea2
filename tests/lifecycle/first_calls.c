// malloc before anything else has happened: free(NULL) as the first call ever, calls in
// preinit_array, in constructors (also of a library that is loaded earlier), before and after main.
#include "support/program.h"

static void* from_preinit;
static void* from_constructor;
static void* resized;
static char* zeroed;

static void very_first(int argc, char** argv, char** environment) {
  free(NULL);
  from_preinit = malloc(100);
  resized = realloc(malloc(10), 5000);
  zeroed = calloc(100, 100);
  void* huge = malloc(5 * MIB);
  free(huge);
  free(malloc(1));
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char**, char**) =
    very_first;

__attribute__((constructor(101))) static void early(void) {
  from_constructor = malloc(200);
  free(from_preinit);
  from_preinit = malloc(64);
}

__attribute__((destructor)) static void late(void) {
  free(from_constructor);
  free(malloc(100));
  free(realloc(malloc(100), 100000));
}

static void at_exit(void) {
  free(from_preinit);
  from_preinit = malloc(77);
}

static int scene_early_library(void) {
  void** kept = (void**)dlsym(RTLD_DEFAULT, "blocks_of_early_library");
  REQUIRE(kept != NULL);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(kept[i] != NULL);
    REQUIRE(memcmp(kept[i], "early", 6) == 0);
    kept[i] = realloc(kept[i], 1000);
    free(kept[i]);
    kept[i] = NULL;
  }
  return finish();
}

static int free_null_only(void* ignored) {
  for (int i = 0; i < 100; ++i) free(NULL);
  return 0;
}

int main(int argc, char** argv) {
  begin(20);
  if (is_scene(argc, argv, "early library")) return scene_early_library();
  EXPECT(from_preinit != NULL && from_constructor != NULL && resized != NULL);
  for (int i = 0; i < 10000; ++i) EXPECT(zeroed[i] == 0);
  free(zeroed);
  free(resized);
  if (!any_malloc_will_do()) {
    EXPECT(malloc_usable_size(from_constructor) == (is_hardened() ? 200 : 208));
  }
  atexit(at_exit);
  struct outcome outcome = run_forked(free_null_only, NULL);
  EXPECT_SUCCESS(outcome);

  // The same with a library whose constructor runs before ours, whichever comes first in the list.
  const char* plugins = getenv("TEST_PLUGINS");
  REQUIRE(plugins != NULL);
  const char* preload = getenv("LD_PRELOAD");
  char text[4096];
  snprintf(text, sizeof text, "LD_PRELOAD=%s/early.so:%s", plugins, preload == NULL ? "" : preload);
  outcome = run_self("early library", text);
  EXPECT_SUCCESS(outcome);
  snprintf(text, sizeof text, "LD_PRELOAD=%s:%s/early.so", preload == NULL ? "" : preload, plugins);
  outcome = run_self("early library", text);
  EXPECT_SUCCESS(outcome);
  return finish();
}
