// A process without /proc, /sys and /dev starts, grows, forks, trims and exits as any other.
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

#include "support/program.h"

static void* use_in_thread(void* ignored) {
  void* blocks[1000];
  for (size_t i = 0; i < 1000; ++i) blocks[i] = malloc(i * 50);
  for (size_t i = 0; i < 1000; ++i) free(blocks[i]);
  return NULL;
}

static int scene_bare(void) {
  if (access("/proc/self", F_OK) == 0) return SKIPPED;
  static void* blocks[100000];
  for (int turn = 0; turn < 2; ++turn) {
    for (int i = 0; i < 100000; ++i) {
      blocks[i] = malloc(900);
      REQUIRE(blocks[i] != NULL);
      mark(blocks[i], 900);
    }
    for (int i = 0; i < 100000; ++i) {
      EXPECT(is_marked(blocks[i], 900));
      free(blocks[i]);
    }
    malloc_trim(0);
  }
  free(realloc(malloc(5 * MIB), 9 * MIB));
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
  pthread_join(thread, NULL);
  (void)mallinfo2();
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    use_in_thread(NULL);
    _exit(0);
  }
  EXPECT(wait_at_most(child, 10) == 0);
  return finish();
}

static int take_away(void* path) {
  if (unshare(CLONE_NEWNS) != 0) return SKIPPED;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return SKIPPED;
  static const char* const kFolders[] = {"/proc", "/sys", "/dev"};
  for (int i = 0; i < 3; ++i) umount2(kFolders[i], MNT_DETACH);
  execl(path, path, "bare", (char*)NULL);
  return 126;
}

int main(int argc, char** argv) {
  begin(30);
  if (is_scene(argc, argv, "bare")) return scene_bare();
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  REQUIRE(length > 0);
  path[length] = '\0';
  const struct outcome outcome = run_forked(take_away, path);
  if (exited_with(&outcome, SKIPPED)) return SKIPPED;
  EXPECT_SUCCESS(outcome);
  return finish();
}
