// The heap has small pages, also where the system uses huge ones for everything; huge ones by HAKMEM_THP=on,
// but not in a process that has them disabled.
#include <sys/prctl.h>
#include <sys/wait.h>

#include "support/program.h"

#define SIZE 200
#define BLOCKS (32 * MIB / SIZE)

static char* blocks[BLOCKS];

struct mapping {
  int advised;    // hg
  int forbidden;  // nh
  size_t huge_kib;
};

// What the kernel says of the mapping that the block lies in. Allocates nothing: the heap stands still.
static struct mapping mapping_of(const void* block) {
  static char text[1 << 20];
  struct mapping result = {0, 0, 0};
  const int file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  size_t length = 0;
  for (ssize_t got; (got = read(file, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)got;
  close(file);
  text[length] = '\0';
  int inside = 0;
  for (char* line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    uintptr_t begin;
    uintptr_t end;
    if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) {
      inside = begin <= (uintptr_t)block && (uintptr_t)block < end;
    } else if (inside && strncmp(line, "AnonHugePages:", 14) == 0) {
      result.huge_kib = strtoul(line + 14, NULL, 10);
    } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
      result.advised = strstr(line, " hg") != NULL;
      result.forbidden = strstr(line, " nh") != NULL;
    }
  }
  return result;
}

static int system_allows(void) {
  char text[100] = "";
  const int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 && strstr(text, "[never]") == NULL;
}

static int live(int wanted, int possible) {
  begin(60);
  for (size_t i = 0; i < BLOCKS; ++i) {
    blocks[i] = malloc(SIZE);
    memset(blocks[i], 0x5a, SIZE);
  }
  const struct mapping mapping = mapping_of(blocks[0]);
  EXPECT(mapping.advised == wanted);
  EXPECT(mapping.forbidden == !wanted);
  EXPECT((mapping.huge_kib != 0) == possible);
  return finish();
}

static void run(const char* program, const char* option, int disabled, int possible) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (disabled) REQUIRE(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    setenv("HAKMEM_THP", option, 1);
    execl(program, program, strcmp(option, "on") == 0 ? "1" : "0", possible ? "1" : "0", (char*)NULL);
    _exit(99);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char** argv) {
  if (argc == 3) return live(atoi(argv[1]), atoi(argv[2]));
  begin(120);
  if (!system_allows()) return SKIPPED;
  run(argv[0], "off", 0, 0);
  run(argv[0], "on", 0, 1);
  run(argv[0], "on", 1, 0);
  return finish();
}
