// The frames of a report lead through the program: each of these functions is in it, in order.
#include "support/program.h"

static __attribute__((noinline)) void third(char* block) {
  free(block + 16);
  __asm__ volatile("");
}
static __attribute__((noinline)) void second(char* block) {
  char room[300];
  memset(room, 1, sizeof room);
  __asm__ volatile("" : : "r"(room) : "memory");
  third(block);
  __asm__ volatile("");
}
static __attribute__((noinline)) int first(void* ignored) {
  second((char*)malloc(100));
  __asm__ volatile("");
  return 0;
}

// The frame at `at`: its offset in this program.
static uintptr_t offset_in_program(const char* at) {
  const char* plus = strchr(at, '+');
  return plus == NULL ? 0 : strtoul(plus + 1, NULL, 16);
}

int main(void) {
  begin(20);
  Dl_info info;
  REQUIRE(dladdr((void*)&first, &info) != 0);
  const uintptr_t base = (uintptr_t)info.dli_fbase;
  const uintptr_t functions[] = {(uintptr_t)&third - base, (uintptr_t)&second - base,
                                 (uintptr_t)&first - base};
  const struct outcome outcome = run_forked(first, NULL);
  EXPECT(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT);
  const char* at = outcome.errors;
  char own[300];
  snprintf(own, sizeof own, "/%s+", program_invocation_short_name);
  for (int i = 0; i < 3; ++i) {
    at = strstr(at, own);
    REQUIRE(at != NULL);
    const uintptr_t offset = offset_in_program(at);
    EXPECT(offset > functions[i] && offset < functions[i] + 200);
    ++at;
  }
  if (program_failures != 0) say(outcome.errors);
  return finish();
}
