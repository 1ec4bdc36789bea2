// The heap has small pages, also where the system uses huge ones for everything, but for what a large and dense heap
// grows by, and for huge blocks where such were full; huge ones everywhere by HAKMEM_THP=on, and none in a process that
// has them disabled. What is freed goes back from within huge pages, too.
#include <sys/prctl.h>
#include <sys/wait.h>

#include "support/program.h"

#define SIZE 200
#define BLOCKS (64 * MIB / SIZE)

static char* blocks[BLOCKS];

// Of the mapping that a block lies in, and of all that somebody gave advice for: the heap.
struct mapping {
  int advised;    // hg
  int forbidden;  // nh
  size_t huge_kib;     // of all
  size_t advised_kib;  // of all
};

static char text[1 << 20];

// Into `text`. Allocates nothing: the heap stands still.
static void read_text(const char* path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  size_t length = 0;
  for (ssize_t got; (got = read(file, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)got;
  close(file);
  text[length] = '\0';
}

// What the kernel says of the mapping that the block lies in.
static struct mapping mapping_of(const void* block) {
  struct mapping result = {0, 0, 0, 0};
  read_text("/proc/self/smaps");
  int inside = 0;
  size_t kib = 0;
  size_t huge_kib = 0;
  for (char* line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    uintptr_t begin;
    uintptr_t end;
    if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) {
      inside = begin <= (uintptr_t)block && (uintptr_t)block < end;
      kib = (end - begin) / 1024;
    } else if (strncmp(line, "AnonHugePages:", 14) == 0) {
      huge_kib = strtoul(line + 14, NULL, 10);
    } else if (strncmp(line, "VmFlags:", 8) == 0) {
      const int advised = strstr(line, " hg") != NULL;
      const int forbidden = strstr(line, " nh") != NULL;
      if (advised) result.advised_kib += kib;
      if (advised || forbidden) result.huge_kib += huge_kib;
      if (!inside) continue;
      result.advised = advised;
      result.forbidden = forbidden;
    }
  }
  return result;
}

static int is_never(const char* path) {
  if (access(path, R_OK) != 0) return -1;
  read_text(path);
  return strstr(text, "[never]") != NULL;
}

// Newer kernels have a setting for each size besides.
static int system_allows(void) {
  return is_never("/sys/kernel/mm/transparent_hugepage/enabled") == 0 &&
         is_never("/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled") != 1;
}

// Not "always".
static int system_has_none_by_itself(void) {
  read_text("/sys/kernel/mm/transparent_hugepage/enabled");
  return strstr(text, "[always]") == NULL;
}

static size_t event_count(const char* event) {
  read_text("/proc/vmstat");
  const char* line = strstr(text, event);
  REQUIRE(line != NULL);
  return strtoul(line + strlen(event), NULL, 10);
}

// All but one block of each 1 MiB go, and no huge page is left; the system has the memory, not just the addresses. It
// will not put one together again.
static void give_back(size_t huge_kib) {
  const size_t split = event_count("\nthp_split_page ");
  for (size_t i = 0; i < BLOCKS; ++i) {
    if (i % (MIB / SIZE) != 0) free(blocks[i]);
  }
  EXPECT(malloc_trim(0) == 1);
  const struct mapping mapping = mapping_of(blocks[0]);
  EXPECT(mapping.huge_kib == 0);
  EXPECT(mapping.advised_kib == 0);
  // But for what somebody else looked at in that moment.
  EXPECT(event_count("\nthp_split_page ") - split + 2 >= huge_kib / 2048);
  for (size_t i = 0; i < BLOCKS; i += MIB / SIZE) {
    for (size_t k = 0; k < SIZE; ++k) EXPECT(blocks[i][k] == 0x5a);
    free(blocks[i]);
  }
}

// Buffers that are written from end to end, and then one that is larger, but not much.
static int last_buffer_is_advised(void) {
  for (size_t i = 0; i < 2; ++i) {
    char* buffer = malloc(16 * MIB);
    memset(buffer, 0x5a, 16 * MIB);
    free(buffer);
  }
  char* buffer = malloc(30 * MIB);
  const int advised = mapping_of(buffer).advised;
  free(buffer);
  malloc_trim(0);
  return advised;
}

static int live(const char* option, int possible) {
  begin(60);
  // Where nothing says which pages there are, nothing is learned. The hardened flavour's blocks lie between guards.
  const int is_asked = !is_hardened() && strcmp(option, "off") != 0 &&
                       (strcmp(option, "on") == 0 || access("/proc/self/pagemap", R_OK) == 0);
  if (system_has_none_by_itself()) EXPECT(last_buffer_is_advised() == is_asked);
  const size_t refused = event_count("\nthp_fault_fallback ");
  for (size_t i = 0; i < BLOCKS; ++i) {
    blocks[i] = malloc(SIZE);
    memset(blocks[i], 0x5a, SIZE);
  }
  // Its memory is in small pieces.
  if (possible && event_count("\nthp_fault_fallback ") != refused) return SKIPPED;
  const struct mapping mapping = mapping_of(blocks[0]);
  const int everywhere = strcmp(option, "on") == 0;
  EXPECT(mapping.advised == everywhere);
  EXPECT(mapping.forbidden == !everywhere);
  EXPECT((mapping.huge_kib != 0) == possible);
  if (strcmp(option, "auto") == 0) {
    // The last SuperSlab alone is still asked for; most of what came after the first 16 MiB is huge.
    EXPECT(mapping.advised_kib == 2048);
    if (possible) EXPECT(mapping.huge_kib >= 40 * 1024);
    if (possible) give_back(mapping.huge_kib);
  }
  return finish();
}

// False when the machine does not let it test.
static int run(const char* program, const char* option, int disabled, int possible) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (disabled) REQUIRE(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    setenv("HAKMEM_THP", option, 1);
    setenv("HAKMEM_MEMORY_LIMIT", "1TiB", 1);
    execl(program, program, option, possible ? "1" : "0", (char*)NULL);
    _exit(99);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  const int is_skipped = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED;
  EXPECT(is_skipped || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
  return !is_skipped;
}

int main(int argc, char** argv) {
  if (argc == 3) return live(argv[1], atoi(argv[2]));
  begin(120);
  if (!system_allows()) return SKIPPED;
  int done = run(argv[0], "off", 0, 0);
  done &= run(argv[0], "on", 0, 1);
  done &= run(argv[0], "on", 1, 0);
  done &= run(argv[0], "auto", 0, 1);
  done &= run(argv[0], "auto", 1, 0);
  const int result = finish();
  return result == 0 && !done ? SKIPPED : result;
}
