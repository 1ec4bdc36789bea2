// What malloc tells about itself is true: 100 MiB appear, and they go.
#include "support/program.h"

enum { kBlocks = 100 * 1024, kLarge = 100 };
static void* blocks[kBlocks];

#define CLOSE(a, b) ((a) < (b) + 8 * MIB && (b) < (a) + 8 * MIB)

static size_t in_use(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static void small_blocks_are_seen(size_t size, int count) {
  const size_t before = in_use();
  for (int i = 0; i < count; ++i) {
    blocks[i] = malloc(size);
    memset(blocks[i], 1, size);
  }
  const struct mallinfo2 info = mallinfo2();
  const struct mallinfo narrow = mallinfo();
  // The hardened flavour's canaries are in use, too.
  EXPECT(is_hardened() ? in_use() > before + 92 * MIB : CLOSE(in_use(), before + 100 * MIB));
  EXPECT(info.arena + info.hblkhd >= 100 * MIB);
  EXPECT(CLOSE(info.arena, info.uordblks + info.fordblks));
  EXPECT(CLOSE((size_t)narrow.uordblks, info.uordblks));
  EXPECT(CLOSE((size_t)narrow.arena, info.arena));
  EXPECT(CLOSE((size_t)narrow.hblkhd, info.hblkhd));
  for (int i = 0; i < count; ++i) free(blocks[i]);
  EXPECT(CLOSE(in_use(), before));
  // glibc may have given it back already.
  EXPECT(malloc_trim(0) == 1 || any_malloc_will_do());
  EXPECT(malloc_trim(0) == 0);
  EXPECT(CLOSE(in_use(), before));
  EXPECT(mallinfo2().fordblks + mallinfo2().hblkhd < 40 * MIB);
}

static void huge_blocks_are_seen(void) {
  const struct mallinfo2 before = mallinfo2();
  void* huge = malloc(100 * MIB);
  const struct mallinfo2 with = mallinfo2();
  EXPECT(with.hblks == before.hblks + 1);
  EXPECT(with.hblkhd >= before.hblkhd + 100 * MIB && with.hblkhd < before.hblkhd + 101 * MIB);
  free(huge);
  const struct mallinfo2 after = mallinfo2();
  EXPECT(after.hblks == before.hblks);
  EXPECT(after.hblkhd == before.hblkhd);
}

// --- malloc_info: well-formed, glibc's elements, and the 100 MiB are in the sum.

static char xml[64 * 1024];

// Each opening tag finds its closing one; returns how many elements there were, or -1.
static int count_elements(const char* text) {
  char open[32][32];
  int depth = 0;
  int elements = 0;
  while ((text = strchr(text, '<')) != NULL) {
    const char* end = strchr(text, '>');
    if (end == NULL || depth > 31) return -1;
    const int closing = text[1] == '/';
    char name[32] = "";
    sscanf(text + 1 + closing, "%31[a-z]", name);
    if (closing) {
      if (depth == 0 || strcmp(open[--depth], name) != 0) return -1;
    } else {
      ++elements;
      if (end[-1] != '/') strcpy(open[depth++], name);
    }
    text = end + 1;
  }
  return depth == 0 ? elements : -1;
}

// The attribute "size" of the last element that begins so: glibc's totals come last.
static size_t last_size_of(const char* element) {
  const char* found = NULL;
  for (const char* at = xml; (at = strstr(at, element)) != NULL; ++at) found = at;
  if (found == NULL) return SIZE_MAX;
  found = strstr(found, "size=\"");
  return found == NULL ? SIZE_MAX : strtoul(found + 6, NULL, 10);
}

static void read_info(void) {
  FILE* out = fmemopen(xml, sizeof xml, "w");
  EXPECT(malloc_info(0, out) == 0);
  fclose(out);
  EXPECT(strncmp(xml, "<malloc version=\"1\">", 20) == 0);
  EXPECT(count_elements(xml) > 8);
}

static void info_is_xml(void) {
  EXPECT(malloc_info(1, stderr) != 0);
  read_info();
  const size_t before = last_size_of("<system type=\"current\"");
  EXPECT(before != SIZE_MAX);
  for (int i = 0; i < kBlocks; ++i) blocks[i] = malloc(1024);
  void* huge = malloc(50 * MIB);
  read_info();
  const size_t with = last_size_of("<system type=\"current\"");
  if (!any_malloc_will_do()) EXPECT(with >= before + 150 * MIB && with < before + 170 * MIB);
  EXPECT(last_size_of("<total type=\"mmap\"") >= 50 * MIB);
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  free(huge);
  malloc_trim(0);
  read_info();
  if (!any_malloc_will_do()) EXPECT(last_size_of("<system type=\"current\"") < before + 20 * MIB);
  EXPECT(last_size_of("<total type=\"mmap\"") < 50 * MIB);
}

// --- malloc_stats writes to stderr; mallopt knows glibc's parameters.

static int print_stats(void* ignored) {
  void* block = malloc(100 * MIB);
  malloc_stats();
  free(block);
  return 0;
}

static size_t largest_number(const char* text) {
  size_t largest = 0;
  while (*text != '\0') {
    char* end;
    const size_t number = strtoul(text, &end, 10);
    if (number > largest) largest = number;
    text = end == text ? text + 1 : end;
  }
  return largest;
}

static void stats_are_written(void) {
  const struct outcome outcome = run_forked(print_stats, NULL);
  EXPECT(exited_with(&outcome, 0));
  EXPECT(matches(outcome.errors, "system bytes *= +[0-9]+"));
  EXPECT(matches(outcome.errors, "in use bytes *= +[0-9]+"));
  EXPECT(largest_number(outcome.errors) >= 100 * MIB);
}

static void parameters_are_known(void) {
  static const int kKnown[] = {M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX,
                               M_CHECK_ACTION, M_PERTURB, M_ARENA_TEST, M_ARENA_MAX};
  for (size_t i = 0; i < sizeof kKnown / sizeof kKnown[0]; ++i) EXPECT(mallopt(kKnown[i], 64) == 1);
  EXPECT(mallopt(M_PERTURB, 0) == 1);
  EXPECT(mallopt(M_MXFAST, 1000000) == 0);
  if (!any_malloc_will_do()) EXPECT(mallopt(12345, 1) == 0);
}

int main(void) {
  begin(30);
  small_blocks_are_seen(1024, kBlocks);
  small_blocks_are_seen(MIB, kLarge);
  huge_blocks_are_seen();
  info_is_xml();
  stats_are_written();
  parameters_are_known();
  EXPECT(malloc_trim(0) <= 1);
  return finish();
}
