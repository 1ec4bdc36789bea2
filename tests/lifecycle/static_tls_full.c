// A plain process whose room for initial-exec thread-local memory is used up but for 64 bytes loads the
// library with dlopen, and it works; where nothing is left, dlopen says so.
#include <pthread.h>
#include <sys/stat.h>

#include "support/program.h"

enum { kMost = 400 };

// The loader takes a file of another name for another library.
static void copy_plugin(const char* to) {
  static char buffer[1 << 16];
  char path[4096];
  snprintf(path, sizeof path, "%s/static_tls.so", getenv("TEST_PLUGINS"));
  const int in = open(path, O_RDONLY | O_CLOEXEC);
  const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  REQUIRE(in >= 0 && out >= 0);
  for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;) {
    REQUIRE(write(out, buffer, (size_t)got) == got);
  }
  close(in);
  close(out);
}

// Loads copies until `most` are there or the room is used up; how many.
static int take_room(const char* folder, int most) {
  char path[4096];
  for (int i = 0; i < most; ++i) {
    snprintf(path, sizeof path, "%s/%d.so", folder, i);
    copy_plugin(path);
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unlink(path);
    if (library == NULL) {
      EXPECT(strstr(dlerror(), "static TLS") != NULL);
      return i;
    }
  }
  return most;
}

static void* use(void* library) {
  void* (*its_malloc)(size_t) = (void* (*)(size_t))dlsym(library, "hak_malloc");
  void (*its_free)(void*) = (void (*)(void*))dlsym(library, "hak_free");
  REQUIRE(its_malloc != NULL && its_free != NULL);
  void* blocks[1000];
  for (size_t i = 0; i < 1000; ++i) {
    blocks[i] = its_malloc(8 + i * 30);
    REQUIRE(blocks[i] != NULL);
    mark(blocks[i], 8 + i * 30);
  }
  for (size_t i = 0; i < 1000; ++i) {
    EXPECT(is_marked(blocks[i], 8 + i * 30));
    its_free(blocks[i]);
  }
  return NULL;
}

static void load_and_use(int must_load) {
  void* library = dlopen(getenv("TEST_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    if (must_load) say(dlerror());
    EXPECT(!must_load);
    return;
  }
  use(library);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, use, library) == 0);
  pthread_join(thread, NULL);
}

static int with_room_taken(int all_but) {
  char folder[] = "/tmp/hakmem-tls-XXXXXX";
  REQUIRE(mkdtemp(folder) != NULL);
  int* count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  // A library once loaded does not give its room back, so a child finds out how much there is.
  const pid_t child = fork();
  if (child == 0) {
    *count = take_room(folder, kMost);
    _exit(finish());
  }
  EXPECT(wait_at_most(child, 10) == 0);
  REQUIRE(*count > all_but && *count < kMost);
  EXPECT(take_room(folder, *count - all_but) == *count - all_but);
  rmdir(folder);
  load_and_use(all_but != 0);
  return finish();
}

int main(int argc, char** argv) {
  if (is_scene(argc, argv, "nearly full")) return with_room_taken(1);
  if (is_scene(argc, argv, "full")) return with_room_taken(0);
  begin(30);
  REQUIRE(getenv("TEST_PLUGINS") != NULL && getenv("TEST_LIBRARY") != NULL);
  struct outcome outcome = run_self("nearly full", "LD_PRELOAD=");
  EXPECT_SUCCESS(outcome);
  outcome = run_self("full", "LD_PRELOAD=");
  EXPECT_SUCCESS(outcome);
  return finish();
}
