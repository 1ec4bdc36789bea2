// tools/live/host.h: what of the system a heap depends on.
//
// Responsibility  Settings of the kernel, and the memory limit of a process.
// Contract        Reads /proc/sys, /proc/meminfo, /sys and /dev/shm below `root`, which is "" but where the files
//                 of a host are mounted elsewhere. What is not there reads as its zero.
// Observable      Host, MemoryLimit.
// Composable      process. Used by doctor.
#pragma once

#include <cstdint>
#include <string>

namespace hakmem::tools {

struct Host {
  std::string huge_pages;           // "always", "madvise", "never"; "" where the kernel has none
  std::uint64_t overcommit = 0;     // vm.overcommit_memory
  std::uint64_t commit_limit = 0;   // bytes
  std::uint64_t committed = 0;      // of them, promised
  std::uint64_t max_map_count = 0;  // mappings a process may have
  std::uint64_t page_bytes = 0;
  bool has_shared_memory = false;   // /dev/shm is memory, so that figures can be shown
};

Host read_host(const std::string& root);

struct MemoryLimit {
  std::uint64_t bytes = 0;  // 0: none
  std::uint64_t used = 0;
  std::string file;         // that says so
};

// The least of the process's memory cgroup and those around it.
MemoryLimit read_memory_limit(const std::string& root, int pid);

}  // namespace hakmem::tools
