// No path of malloc's uses more than 4 KiB of stack (aarch64: 6): each is run on a painted one. And the whole
// family, first use included, runs on the smallest thread stack and on the smallest signal stack.
#include <pthread.h>
#include <ucontext.h>

#include "support/program.h"

#if defined(__aarch64__)
enum { kAllowed = 6144 };  // more registers to keep, and frames of whole pairs of them
#else
enum { kAllowed = 4096 };
#endif
enum { kPaint = 0x5e, kStackBytes = 256 * 1024, kBlocks = 6000 };

static unsigned char stack[kStackBytes] __attribute__((aligned(64)));
static ucontext_t main_context;
static ucontext_t painted_context;
static void* blocks[kBlocks];
static void (*painted_body)(void);

static void enter(void) { painted_body(); }

// Bytes of stack that `body` dirtied.
static size_t stack_used_by(void (*body)(void)) {
  memset(stack, kPaint, sizeof stack);
  painted_body = body;
  getcontext(&painted_context);
  painted_context.uc_stack.ss_sp = stack;
  painted_context.uc_stack.ss_size = sizeof stack;
  painted_context.uc_link = &main_context;
  makecontext(&painted_context, enter, 0);
  swapcontext(&main_context, &painted_context);
  size_t untouched = 0;
  while (untouched < sizeof stack && stack[untouched] == kPaint) ++untouched;
  return sizeof stack - untouched;
}

static void nothing(void) {}
static void small_blocks(void) {
  for (size_t i = 0; i < kBlocks; ++i) blocks[i] = malloc(i % 3000);
  for (size_t i = 0; i < kBlocks; ++i) blocks[i] = realloc(blocks[i], (i * 7) % 3000 + 1);
  for (size_t i = 0; i < kBlocks; ++i) free(blocks[i]);
}
static void mid_and_large_blocks(void) {
  for (size_t i = 0; i < 200; ++i) blocks[i] = calloc(1, i * 8000);
  for (size_t i = 0; i < 200; ++i) blocks[i] = realloc(blocks[i], ((i * 77) % 200) * 7000 + 1);
  for (size_t i = 0; i < 200; ++i) free(blocks[i]);
}
static void huge_blocks(void) {
  for (size_t i = 0; i < 40; ++i) blocks[i] = malloc(i * MIB);
  for (size_t i = 0; i < 40; ++i) blocks[i] = realloc(blocks[i], (40 - i) * MIB);
  for (size_t i = 0; i < 40; ++i) free(blocks[i]);
}
static void aligned_blocks(void) {
  for (size_t alignment = 8; alignment <= 64 * MIB; alignment *= 2) {
    if (posix_memalign(&blocks[0], alignment, 100) == 0) free(blocks[0]);
    free(memalign(alignment, 3 * MIB));
  }
  free(valloc(100));
  free(pvalloc(100));
}
static void refusals(void) {
  blocks[0] = malloc((size_t)1 << 60);
  blocks[0] = calloc((size_t)1 << 60, 16);
  blocks[0] = reallocarray(NULL, (size_t)1 << 60, 16);
}
static void others_blocks(void) {
  for (size_t i = 0; i < kBlocks; ++i) free(blocks[i]);
}
static void trim(void) { malloc_trim(0); }
static void counts(void) {
  (void)mallinfo2();
  (void)mallinfo();
  (void)mallopt(M_MMAP_MAX, 1);
  (void)malloc_usable_size(NULL);
}
static void statistics(void) { malloc_stats(); }
static void check(void) {
  if (hak_check != NULL) (void)hak_check();
  if (hak_check_stopped != NULL) (void)hak_check_stopped();
}
static void wrong_size(void) {
  if (free_sized != NULL && !is_hardened()) free_sized(malloc(1000), 1);
}

static void expect_little(const char* name, void (*body)(void), size_t base) {
  char line[128];
  const size_t used = stack_used_by(body) - base;
  if (used <= kAllowed || any_malloc_will_do()) return;
  snprintf(line, sizeof line, "%s uses %zu bytes of stack", name, used);
  ++program_failures;
  say_failure(__FILE__, __LINE__, line);
}

static void* allocate_for_others(void* ignored) {
  for (size_t i = 0; i < kBlocks; ++i) blocks[i] = malloc(i % 3000);
  return NULL;
}

static void whole_family(void) {
  small_blocks();
  mid_and_large_blocks();
  huge_blocks();
  aligned_blocks();
  refusals();
  trim();
  counts();
  check();
}

static void* on_smallest_stack(void* ignored) {
  whole_family();
  return NULL;
}

static void on_smallest_thread(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN) == 0);
  for (int i = 0; i < 5; ++i) {
    REQUIRE(pthread_create(&thread, &attributes, on_smallest_stack, NULL) == 0);
    pthread_join(thread, NULL);
  }
}

static void in_handler(int signal_number) { whole_family(); }

// The kernel's frame takes what it says in AT_MINSIGSTKSZ; what MINSIGSTKSZ adds in libc is ours.
static void* on_smallest_signal_stack(void* ignored) {
  const size_t frame = (size_t)sysconf(_SC_MINSIGSTKSZ);
  const size_t size = frame + kAllowed;
  char* pages = mmap(NULL, 3 * 64 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(mprotect(pages + 64 * KIB, 64 * KIB, PROT_READ | PROT_WRITE) == 0);
  // Its lower end touches the guard, so that a byte too much is a crash.
  const stack_t alternate = {.ss_sp = pages + 64 * KIB, .ss_size = size};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = in_handler;
  action.sa_flags = SA_ONSTACK;
  REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
  REQUIRE(sigaltstack(&alternate, NULL) == 0);
  raise(SIGUSR1);
  return NULL;
}

int main(void) {
  begin(30);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, on_smallest_signal_stack, NULL) == 0);
  pthread_join(thread, NULL);
  on_smallest_thread();

  const size_t base = stack_used_by(nothing);
  expect_little("malloc, free and realloc of small blocks", small_blocks, base);
  expect_little("calloc and realloc of large blocks", mid_and_large_blocks, base);
  expect_little("malloc and realloc of huge blocks", huge_blocks, base);
  expect_little("memalign", aligned_blocks, base);
  expect_little("a refused request", refusals, base);
  REQUIRE(pthread_create(&thread, NULL, allocate_for_others, NULL) == 0);
  pthread_join(thread, NULL);
  expect_little("free of others' blocks", others_blocks, base);
  expect_little("malloc_trim", trim, base);
  expect_little("mallinfo", counts, base);
  expect_little("malloc_stats", statistics, base);
  expect_little("hak_check and hak_check_stopped", check, base);
  expect_little("a sized free with a wrong size", wrong_size, base);
  return finish();
}
