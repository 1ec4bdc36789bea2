// With more rights than its caller (AT_SECURE) a program ignores HAKMEM_* altogether: a set-uid copy
// of this one, run by another user, says nothing of an unknown option, strict or not.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kSkipped = 77, kOwner = 65534, kCaller = 65533 };

static int copy_self(const char* to) {
  char buffer[65536];
  ssize_t got;
  const int from = open("/proc/self/exe", O_RDONLY);
  const int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0700);
  if (from < 0 || out < 0) return 0;
  while ((got = read(from, buffer, sizeof buffer)) > 0) {
    if (write(out, buffer, (size_t)got) != got) return 0;
  }
  const int done = fchown(out, kOwner, kOwner) == 0 && fchmod(out, 04755) == 0;
  close(from);
  close(out);
  return done;
}

// Its status; what it says on stderr goes to `said`.
static int run_copy(const char* path, uid_t user, char* said, size_t size) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    if (setgid(user) != 0 || setuid(user) != 0) _exit(kSkipped);
    setenv("HAKMEM_DEKAY", "1s", 1);
    setenv("HAKMEM_STRICT", "1", 1);
    execl(path, path, "copy", (char*)NULL);
    _exit(126);
  }
  close(ends[1]);
  ssize_t length = read(ends[0], said, size - 1);
  said[length < 0 ? 0 : length] = '\0';
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char** argv) {
  if (argc > 1) {
    free(malloc(1000));
    return getauxval(AT_SECURE) != 0 ? 0 : 3;
  }
  char folder[] = "/tmp/hakmem-secure-XXXXXX";
  char path[64];
  char said[512];
  if (getuid() != 0 || mkdtemp(folder) == NULL || chmod(folder, 0755) != 0) return kSkipped;
  snprintf(path, sizeof path, "%s/copy", folder);
  int result = kSkipped;
  if (copy_self(path)) {
    // The owner runs it with no more than his rights: the options count, and strict ends it.
    const int as_owner = run_copy(path, kOwner, said, sizeof said);
    const int as_caller = run_copy(path, kCaller, said, sizeof said);
    if (as_caller == 3 || as_caller == 126) {
      result = kSkipped;  // the file system ignores set-uid
    } else {
      result = as_owner == 78 && as_caller == 0 && said[0] == '\0' ? 0 : 1;
    }
    if (result == 1) fprintf(stderr, "owner %d, caller %d: %s\n", as_owner, as_caller, said);
  }
  unlink(path);
  rmdir(folder);
  return result;
}
