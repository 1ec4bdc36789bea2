// os/cgroup.h: how much memory the process's container allows.
//
// Responsibility  Find the limit of the memory cgroup the process is in, and of those around it.
// Contract        Version 2 (memory.max, memory.high) and 1 (memory.limit_in_bytes), mounted where
//                 distributions mount them. SIZE_MAX when there is no limit or it cannot be read. Opens
//                 files: not for a process in seccomp mode.
// Observable      Nothing.
// Composable      os/line_reader. Used by heap (upkeep).
#pragma once

#include "base/text.h"
#include "base/units.h"

namespace hakmem::os {

Bytes cgroup_memory_limit();

// A line of /proc/self/cgroup, "4:memory:/a/b" or "0::/a/b".
struct CgroupLine {
  bool is_memory = false;
  bool is_version_2 = false;
  TextView path;  // begins with '/'
};
CgroupLine parse_cgroup_line(TextView line);

// "268435456"; SIZE_MAX for "max", for what is no number, and for a number that means no limit.
Bytes parse_cgroup_limit(TextView text);

}  // namespace hakmem::os
