// The environment is read once: threads that change it, clear it or take it away race with nothing.
#include <pthread.h>
#include <stdatomic.h>

#include "support/program.h"

extern char** environ;
static atomic_bool stop;

static void* change(void* ignored) {
  char name[32];
  for (int i = 0; !atomic_load(&stop); ++i) {
    snprintf(name, sizeof name, "HAKMEM_X%d", i % 300);
    setenv(name, "a value of some length, so that it is allocated", 1);
    if (i % 3 == 0) unsetenv(name);
  }
  return NULL;
}

static void* first_allocation(void* ignored) {
  free(malloc(100));
  free(malloc(100000));
  return NULL;
}

static int scene_race(void) {
  pthread_t changer, thread;
  REQUIRE(pthread_create(&changer, NULL, change, NULL) == 0);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(pthread_create(&thread, NULL, first_allocation, NULL) == 0);
    pthread_join(thread, NULL);
  }
  atomic_store(&stop, 1);
  pthread_join(changer, NULL);
  return 0;
}

static int without_environment(void* how) {
  if (*(int*)how == 0) environ = NULL;
  if (*(int*)how == 1) clearenv();
  pthread_t thread;
  for (int i = 0; i < 10; ++i) {
    REQUIRE(pthread_create(&thread, NULL, first_allocation, NULL) == 0);
    pthread_join(thread, NULL);
  }
  free(malloc(5 * MIB));
  return finish();
}

// Before any constructor environ may be missing: the options are read later.
static void take_environment_away(int argc, char** argv, char** environment) {
  if (argc < 2 || strcmp(argv[1], "early") != 0) return;
  char** kept = environ;
  environ = NULL;
  free(malloc(100));
  environ = kept;
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char**, char**) =
    take_environment_away;

int main(int argc, char** argv) {
  if (is_scene(argc, argv, "race")) return scene_race();
  if (is_scene(argc, argv, "early")) return 0;
  begin(20);
  struct outcome outcome = run_self("race", NULL);
  EXPECT_SUCCESS(outcome);
  for (int how = 0; how < 2; ++how) {
    outcome = run_forked(without_environment, &how);
    EXPECT_SUCCESS(outcome);
  }
  outcome = run_self("early", "HAKMEM_DEKAY=1s");
  EXPECT_SUCCESS(outcome);
  if (!any_malloc_will_do()) EXPECT(matches(outcome.errors, "unknown option HAKMEM_DEKAY"));
  return finish();
}
