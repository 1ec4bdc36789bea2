// Seccomp. A process that forbids itself to open files and to start threads is not ended by what the allocator does
// now and then; a filter that was there before the program started keeps it from nothing.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "hakmem/hakmem.h"
#include "support/program.h"

#pragma weak hak_counters

#define SIZE 900
#define BLOCKS (48 * MIB / SIZE)

static char* blocks[BLOCKS];

static void fill(void) {
  for (size_t i = 0; i < BLOCKS; ++i) {
    blocks[i] = malloc(SIZE);
    memset(blocks[i], 0x5a, SIZE);
  }
}

// A program at work: slow paths, and so ticks.
static void work(void) {
  for (size_t i = 0; i < BLOCKS; i += 16) free(blocks[i]);
  for (size_t i = 0; i < BLOCKS; i += 16) blocks[i] = malloc(SIZE);
}

static void install(struct sock_filter* code, unsigned short length) {
  const struct sock_fprog program = {length, code};
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void allow_everything(void) {
  struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  install(code, 1);
}

static void forbid_files_and_threads(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  install(code, sizeof code / sizeof *code);
}

// All that an allocator must have, and what this program does itself.
static void allow_little(void) {
  static const int allowed[] = {SYS_mmap,  SYS_munmap, SYS_mprotect, SYS_madvise,    SYS_mremap,
                                SYS_futex, SYS_write,  SYS_exit,     SYS_exit_group, SYS_clock_gettime};
  enum { COUNT = sizeof allowed / sizeof *allowed };
  struct sock_filter code[COUNT + 3] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
  };
  for (int i = 0; i < COUNT; ++i) {
    code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], COUNT - i, 0);
  }
  code[1 + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  code[2 + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  install(code, COUNT + 3);
}

// Pages may be given back, and there is no other advice.
static void allow_one_advice(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  install(code, sizeof code / sizeof *code);
}

static uint64_t huge_pages_asked_for(void) {
  static struct hak_counter counters[200];
  if (hak_counters == NULL) return UINT64_MAX;
  const size_t count = hak_counters(counters, 200);
  for (size_t i = 0; i < count && i < 200; ++i) {
    if (strcmp(counters[i].name, "pool_huge_pages") == 0) return counters[i].value;
  }
  return 0;
}

static char* full_buffer(size_t size) {
  char* buffer = malloc(size);
  memset(buffer, 1, size);
  return buffer;
}

// A heap with huge pages gives parts of them back, and grows again; so do buffers with some.
static int enter_with_a_heap(void) {
  begin(60);
  fill();
  EXPECT(huge_pages_asked_for() > 8);
  for (int i = 0; i < 2; ++i) free(full_buffer(16 * MIB));
  char* grown = full_buffer(16 * MIB);
  char* shrunk = full_buffer(17 * MIB);
  allow_one_advice();
  grown = realloc(grown, 27 * MIB);
  shrunk = realloc(shrunk, 3 * MIB + 4096);
  grown = realloc(grown, 28 * MIB);
  free(full_buffer(30 * MIB));
  EXPECT(grown[16 * MIB - 1] == 1 && shrunk[3 * MIB] == 1);
  free(grown);
  free(shrunk);
  for (size_t i = 0; i < BLOCKS; ++i) {
    if (i % 1000 != 0) free(blocks[i]);
  }
  EXPECT(malloc_trim(0) == 1);
  for (size_t i = 0; i < BLOCKS; ++i) {
    if (i % 1000 != 0) blocks[i] = malloc(SIZE);
  }
  fill();
  return finish();
}

// Longer than the second between two looks at the container's limit.
static int sandbox_itself(void (*enter)(void)) {
  begin(60);
  free(malloc(SIZE));  // the heap is there before, as in any program that sets up a sandbox
  enter();
  fill();
  const uint64_t end = now_ms() + 1500;
  while (now_ms() < end) work();
  return finish();
}

// The alarm of begin() ends a wait in vain.
static int live_in_a_container(void) {
  begin(60);
  fill();
  while (threads_now() == 1) work();
  return finish();
}

static void run(const char* program, const char* what, int in_container, const char* stats) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("HAKMEM_STATS", stats, 1);
    // Which it would look for, and then perhaps ask for no huge pages.
    if (strcmp(what, "advice") == 0) setenv("HAKMEM_MEMORY_LIMIT", "1TiB", 1);
    setenv("HAKMEM_SCAVENGER", "on", 1);
    if (in_container) allow_everything();
    execl(program, program, what, (char*)NULL);
    _exit(99);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "some") == 0) return sandbox_itself(forbid_files_and_threads);
  if (argc > 1 && strcmp(argv[1], "most") == 0) return sandbox_itself(allow_little);
  if (argc > 1 && strcmp(argv[1], "advice") == 0) return enter_with_a_heap();
  if (argc > 1) return live_in_a_container();
  begin(250);
  run(argv[0], "some", 0, "on");
  run(argv[0], "most", 0, "on");
  // A sandbox within a container's.
  run(argv[0], "most", 1, "on");
  run(argv[0], "advice", 0, "on");
  run(argv[0], "container", 1, "off");
  return finish();
}
