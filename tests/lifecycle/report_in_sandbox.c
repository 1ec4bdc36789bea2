// A filter that refuses the call by which a report reads the stack, as those of some containers do, or as if the system
// had no such call: the report still has the program's frames.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "support/program.h"

static int refuse_to_read(int error) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof code / sizeof *code, code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

__attribute__((noinline)) static void crime(int depth) {
  if (depth == 0) free((void*)&program_failures);
  if (depth != 0) crime(depth - 1);
  __asm__ volatile("" ::: "memory");  // no tail call
}

static int crime_under_a_filter(void* error) {
  if (!refuse_to_read(*(int*)error)) return SKIPPED;
  crime(5);
  return 0;
}

static int frames_of_program(const char* text) {
  char own[300];
  int count = 0;
  snprintf(own, sizeof own, "/%s+0x", program_invocation_short_name);
  for (const char* at = text; (at = strstr(at, own)) != NULL; ++at) ++count;
  return count;
}

int main(void) {
  begin(20);
  const int errors[] = {EPERM, ENOSYS};
  for (size_t i = 0; i < 2; ++i) {
    int error = errors[i];
    const struct outcome outcome = run_forked(crime_under_a_filter, &error);
    if (exited_with(&outcome, SKIPPED)) return SKIPPED;
    EXPECT(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT);
    // The calls of crime, its caller and main.
    EXPECT(frames_of_program(outcome.errors) >= 8);
    if (program_failures != 0) say(outcome.errors);
  }
  return finish();
}
