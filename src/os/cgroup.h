// os/cgroup.h: how much memory the process's container allows, and whether it is short of it.
//
// Responsibility  Read what the kernel says about the memory cgroup the process is in, about those around
//                 it, and about stalls for want of memory.
// Contract        Version 2 (memory.max, .high, .current, .stat, .events, .pressure) and 1
//                 (memory.limit_in_bytes, .usage_in_bytes, .stat, .failcnt), mounted where distributions
//                 mount them; stalls from the group, else of the whole machine (/proc/pressure/memory).
//                 What cannot be read is as if it were not there. Everything is looked up anew each time,
//                 for a process can be moved to another group, and no descriptor stays open. Opens files:
//                 not for a process that put itself in seccomp mode. Some ten microseconds for each group.
// Observable      Nothing.
// Composable      os/line_reader. Used by heap (pressure).
#pragma once

#include "base/text.h"
#include "base/units.h"

namespace hakmem::os {

struct MemoryReport {
  // The least of the groups'; SIZE_MAX: none.
  Bytes limit{SIZE_MAX};
  // Of its limit, by the group that is nearest to it; pages of files do not count, the kernel can drop
  // them. 0 below a half.
  uint32_t full_percent = 0;
  // How often groups came up to their limits, all groups together; it only grows.
  uint64_t limit_hits = 0;
  // The share of the last ten seconds in which some thread waited for memory.
  bool knows_stalls = false;
  uint32_t stalled_percent = 0;
};

// `root` is put before each path.
MemoryReport read_memory_report(TextView root = "");

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
