// support/cgroup.h: a memory cgroup for a test, where this machine lets us make one.
#pragma once

#include <sys/stat.h>

#include "program.h"

struct cgroup {
  char folder[100];
  const char* limit_file;
};

static inline int write_number(const char* folder, const char* file, size_t number) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  FILE* out = fopen(path, "w");
  if (out == NULL) return 0;
  const int written = fprintf(out, "%zu", number) > 0;
  return fclose(out) == 0 && written;
}

static inline int set_limit(const struct cgroup* group, size_t limit) {
  return write_number(group->folder, group->limit_file, limit);
}

// Version 1 or 2; 0 when this user may not, or the memory controller is elsewhere.
static inline int make_cgroup(struct cgroup* group, size_t limit) {
  const struct {
    const char* mount;
    const char* file;
  } versions[] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}};
  for (int i = 0; i < 2; ++i) {
    snprintf(group->folder, sizeof group->folder, "%s/hakmem-test-%d", versions[i].mount, (int)getpid());
    group->limit_file = versions[i].file;
    if (mkdir(group->folder, 0755) != 0) continue;
    if (set_limit(group, limit)) return 1;
    rmdir(group->folder);
  }
  return 0;
}

static inline int enter_cgroup(const struct cgroup* group) {
  return write_number(group->folder, "cgroup.procs", (size_t)getpid());
}
