// os/shared_page.h: a piece of memory that another process can find and read.
//
// Responsibility  One file of this process in /dev/shm, mapped.
// Contract        Memory only: the folder is a tmpfs, and the room is taken when the file is made, so that
//                 no later write finds the file system full. The folder hakmem.UID is this user's and 0700,
//                 the file 0600 and new (O_EXCL, no link is followed). No descriptor stays open. What is
//                 refused is nullptr, never an error; no process that hides itself (not dumpable) gets one.
//                 The file is locked (flock) for as long as somebody has it mapped, so that whoever finds it without
//                 a lock may take it away, from any pid namespace. Making one takes away all of those.
// Observable      The file: PID.NAMESPACE and a suffix, the pid as the process sees it and the inode of its pid namespace.
// Composable      Raw system calls. Used by observe, profile.
#pragma once

#include "base/units.h"

namespace hakmem::os {

struct SharedPage {
  void* address = nullptr;
  uint64_t pid_namespace = 0;  // 0: unknown
  char path[80] = {};
};

// `size` is a multiple of the page size. A file that an earlier program of this process left (exec) is
// replaced. `suffix` ends the name.
SharedPage create_shared_page(Bytes size, const char* suffix = "");

// Takes the name away, and this process's mapping.
void remove_shared_page(const SharedPage& page, Bytes size);

}  // namespace hakmem::os
