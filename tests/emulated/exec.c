// Part of the programs that an emulator runs. To the system a program that starts itself again is another machine's, so
// what is started is its emulator (TEST_EMULATOR, words with spaces between), as binfmt_misc would. LD_PRELOAD is for
// the program, and not for the emulator.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kWords = 64, kText = 4096 };

extern char** environ;

static int is_of_our_machine(const char* path) {
  Elf64_Ehdr header;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t got = read(file, &header, sizeof header);
  close(file);
  return got == sizeof header && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_machine == EM_AARCH64;
}

static int start_emulator(const char* emulator, const char* path, char* const* arguments, char* const* environment) {
  char text[kText];
  char own[kText];
  char preload[kText] = "LD_PRELOAD=";
  size_t count = 0;
  size_t variables = 0;
  while (arguments[count] != NULL) ++count;
  while (environment != NULL && environment[variables] != NULL) ++variables;
  char* words[kWords + count];
  char* kept[variables + 1];

  variables = 0;
  for (char* const* one = environment; one != NULL && *one != NULL; ++one) {
    if (strncmp(*one, "LD_PRELOAD=", 11) != 0) kept[variables++] = *one;
    else if (strlen(*one) < sizeof preload) strcpy(preload, *one);
  }
  kept[variables] = NULL;

  // The emulator would take these for its own.
  if (strcmp(path, "/proc/self/exe") == 0) {
    const ssize_t length = readlink(path, own, sizeof own - 1);
    if (length < 0) return -1;
    own[length] = '\0';
    path = own;
  }
  if (strlen(emulator) >= sizeof text) {
    errno = E2BIG;
    return -1;
  }
  strcpy(text, emulator);
  size_t words_now = 0;
  char* rest = NULL;
  for (char* word = strtok_r(text, " ", &rest); word != NULL && words_now < kWords - 6; word = strtok_r(NULL, " ", &rest)) {
    words[words_now++] = word;
  }
  words[words_now++] = "-E";
  words[words_now++] = preload;
  words[words_now++] = "-0";
  words[words_now++] = count == 0 ? (char*)path : arguments[0];
  words[words_now++] = (char*)path;
  for (size_t i = 1; i < count; ++i) words[words_now++] = arguments[i];
  words[words_now] = NULL;
  return (int)syscall(SYS_execve, words[0], words, kept);
}

int execve(const char* path, char* const arguments[], char* const environment[]) {
  const char* emulator = getenv("TEST_EMULATOR");
  if (emulator != NULL && is_of_our_machine(path)) return start_emulator(emulator, path, arguments, environment);
  return (int)syscall(SYS_execve, path, arguments, environment);
}

int execv(const char* path, char* const arguments[]) { return execve(path, arguments, environ); }

int execl(const char* path, const char* first, ...) {
  char* arguments[kWords];
  size_t count = 0;
  va_list more;
  va_start(more, first);
  for (const char* one = first; one != NULL && count < kWords - 1; one = va_arg(more, const char*)) {
    arguments[count++] = (char*)one;
  }
  va_end(more);
  arguments[count] = NULL;
  return execve(path, arguments, environ);
}
