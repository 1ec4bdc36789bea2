// mlockall, before the first block and late, by a user who may lock 8 MiB and by one who may lock all: the
// heap starts, grows within the limit, refuses beyond it, and calloc gives zeros although locked pages
// cannot be given back.
#include "support/program.h"

enum { kNobody = 65534 };

static void lock_early(int argc, char** argv, char** environment) {
  if (argc < 2 || strcmp(argv[1], "early") != 0) return;
  if (mlockall(MCL_FUTURE) != 0) _exit(SKIPPED);
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char**, char**) =
    lock_early;

static void check_zeros(size_t size) {
  char* block = malloc(size);
  if (block == NULL) return;
  memset(block, 0x5a, size);
  free(block);
  malloc_trim(0);
  block = calloc(1, size);
  if (block == NULL) return;
  for (size_t i = 0; i < size; i += 61) EXPECT(block[i] == 0);
  free(block);
}

static int use_heap(void) {
  static void* blocks[4000];
  int given = 0;
  for (int i = 0; i < 4000; ++i) {
    errno = 0;
    blocks[i] = malloc(40 + (size_t)i % 50 * 16);
    if (blocks[i] == NULL) {
      EXPECT(errno == ENOMEM);
      continue;
    }
    ++given;
    mark(blocks[i], 40 + (size_t)i % 50 * 16);
  }
  EXPECT(given >= 1000);
  for (int i = 0; i < 4000; ++i) {
    if (blocks[i] != NULL) EXPECT(is_marked(blocks[i], 40 + (size_t)i % 50 * 16));
    free(blocks[i]);
  }
  check_zeros(1000);
  check_zeros(100 * KIB);
  check_zeros(3 * MIB);
  return finish();
}

static int scene_late(void) {
  free(malloc(100));
  if (mlockall(MCL_FUTURE) != 0) return SKIPPED;
  return use_heap();
}

// What is locked is what was asked for, not the whole reservation.
static int scene_all(void) {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return SKIPPED;
  const int result = use_heap();
  EXPECT(resident_bytes() < 256 * MIB);
  return result | finish();
}

static void run(const char* scene, rlim_t may_lock, uid_t user) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const struct rlimit limit = {may_lock, may_lock};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) _exit(SKIPPED);
    if (user != getuid() && (setgid(user) != 0 || setuid(user) != 0)) _exit(SKIPPED);
    execl("/proc/self/exe", "/proc/self/exe", scene, (char*)NULL);
    _exit(SKIPPED);  // the user may not read the program
  }
  const int status = wait_at_most(child, 20);
  if (status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)) return;
  char line[100];
  snprintf(line, sizeof line, "scene %s, user %d: status %#x", scene, (int)user, (unsigned)status);
  say_failure(__FILE__, __LINE__, line);
  ++program_failures;
}

int main(int argc, char** argv) {
  begin(30);
  if (is_scene(argc, argv, "early")) return use_heap();
  if (is_scene(argc, argv, "late")) return scene_late();
  if (is_scene(argc, argv, "all")) return scene_all();
  const uid_t plain_user = getuid() == 0 ? kNobody : getuid();
  run("early", 8 * MIB, plain_user);
  run("late", 8 * MIB, plain_user);
  run("early", RLIM_INFINITY, getuid());
  run("all", RLIM_INFINITY, getuid());
  return finish();
}
