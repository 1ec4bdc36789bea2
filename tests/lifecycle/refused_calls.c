// The kernel refuses mmap, mprotect, madvise, munmap or mremap, each call in turn (in the tests some of
// them), once and from then on: NULL and ENOMEM at worst, what was given keeps its contents, calloc gives
// zeros, and once the kernel gives again, so does malloc. tests/fakeos does it with a kernel of its own.
#include "support/refusing.h"

enum { kBlocks = 120, kForGood = 1000000 };

struct kind {
  const char* name;
  long number;
  int error;
};
static const struct kind kinds[] = {{"mmap", SYS_mmap, ENOMEM},       {"mprotect", SYS_mprotect, ENOMEM},
                                    {"madvise", SYS_madvise, EINVAL}, {"munmap", SYS_munmap, ENOMEM},
                                    {"mremap", SYS_mremap, ENOMEM}};
static void* blocks[kBlocks];
static size_t sizes[kBlocks];

static size_t size_at(int i) {
  static const size_t kSizes[] = {24, 300, 5000, 40 * KIB, 700 * KIB, 5 * MIB};
  return kSizes[i % 6] + (size_t)i * 8;
}

static void put(int i, void* block, size_t size) {
  if (block == NULL) EXPECT(errno == ENOMEM);
  blocks[i] = block;
  sizes[i] = size;
  if (block != NULL) mark(block, size);
}

static void take(int i) {
  if (blocks[i] == NULL) return;
  EXPECT(is_marked(blocks[i], sizes[i]));
  errno = 4711;
  free(blocks[i]);
  EXPECT(errno == 4711);
  blocks[i] = NULL;
}

static void put_zeroed(int i) {
  const size_t size = size_at(i);
  char* block = calloc(1, size);
  for (size_t k = 0; block != NULL && k < size; k += size / 64 + 1) EXPECT(block[k] == 0);
  put(i, block, size);
}

static void grow(int i) {
  if (blocks[i] == NULL) return;
  const size_t size = sizes[i] * 2;
  void* larger = realloc(blocks[i], size);
  if (larger == NULL) {
    EXPECT(errno == ENOMEM && is_marked(blocks[i], sizes[i]));
    return;
  }
  EXPECT(((uint64_t*)larger)[0] == (sizes[i] ^ (uintptr_t)0x5a5a5a5a5a5a5a5a));
  put(i, larger, size);
}

static void use_memory(void) {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kBlocks; i += 2) put(i, malloc(size_at(i)), size_at(i));
    for (int i = 1; i < kBlocks; i += 2) put_zeroed(i);
    for (int i = 0; i < kBlocks; i += 5) grow(i);
    for (int i = round; i < kBlocks; i += 3) take(i);
    malloc_trim(0);
    put(0, blocks[0] == NULL ? memalign(MIB, 3 * MIB) : blocks[0],
        blocks[0] == NULL ? 3 * MIB : sizes[0]);
    for (int i = 0; i < kBlocks; ++i) take(i);
  }
}

// What the children tell.
struct told {
  long calls_of_clean_run;
  long refusals;
};
static struct told* told;

struct fault {
  const struct kind* kind;
  long first;
  long count;
};

static int with_fault(void* argument) {
  const struct fault* fault = argument;
  refused_with = fault->kind->error;
  refused_count = fault->count;
  if (!watch_calls(fault->kind->number)) return SKIPPED;
  refused_first = fault->first;
  use_memory();
  told->refusals += calls_seen > fault->first;
  refused_first = -1;
  for (int i = 0; i < kBlocks; ++i) {
    put(i, malloc(size_at(i)), size_at(i));
    EXPECT(blocks[i] != NULL);
  }
  for (int i = 0; i < kBlocks; ++i) take(i);
  return finish();
}


static int count_calls(void* kind) {
  if (!watch_calls(((const struct kind*)kind)->number)) return SKIPPED;
  use_memory();
  told->calls_of_clean_run = calls_seen;
  return finish();
}

// At most `at_most` places for the fault, spread over the calls of a clean run.
static void refuse_in_turn(const struct kind* kind, long at_most) {
  struct outcome outcome = run_forked(count_calls, (void*)kind);
  if (exited_with(&outcome, SKIPPED)) _exit(SKIPPED);
  EXPECT_SUCCESS(outcome);
  const long calls = told->calls_of_clean_run;
  long tried = 0;
  told->refusals = 0;
  const long step = calls <= at_most ? 1 : calls / at_most;
  const uint64_t begun_ms = now_ms();
  for (long first = 0; first < calls && !is_enough(tried, calls * 2, 2, begun_ms, 1); first += step) {
    for (int for_good = 0; for_good < 2; ++for_good, ++tried) {
      struct fault fault = {kind, first, for_good ? kForGood : 1};
      outcome = run_forked(with_fault, &fault);
      if (exited_with(&outcome, 0)) continue;
      char line[120];
      snprintf(line, sizeof line, "%s refused %s at call %ld of %ld", kind->name,
               for_good ? "for good" : "once", first, calls);
      say_failure(__FILE__, __LINE__, line);
      EXPECT_SUCCESS(outcome);
      if (program_failures > 5) _exit(1);
    }
  }
  // The clock decides about a few calls, so not every run comes as far as the last one.
  EXPECT(told->refusals > 0 && told->refusals >= tried * 3 / 4);
}

static int scene_refusals(void) {
  begin(60);
  told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(told != MAP_FAILED);
  const long at_most = how_many(5);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) refuse_in_turn(&kinds[i], at_most);
  return finish();
}

int main(int argc, char** argv) {
  if (!CAN_REFUSE) return SKIPPED;
  if (is_scene(argc, argv, "refusals")) return scene_refusals();
  begin(60);
  struct outcome outcome = run_self("refusals", "HAKMEM_RESERVE=8M");
  if (exited_with(&outcome, SKIPPED)) return SKIPPED;
  EXPECT_SUCCESS(outcome);
  outcome = run_self("refusals", "HAKMEM_DECAY=0");
  EXPECT_SUCCESS(outcome);
  return finish();
}
