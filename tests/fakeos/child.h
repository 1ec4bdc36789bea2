// fakeos/child.h: the heap is one for the process, so each case has a process of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace hakmem::fakeos {

inline int failures_so_far() {
  return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
}

// Runs `body`, EXPECTs and all, in a forked child whose heap nobody has used yet.
template <class Body>
void in_child(const std::string& what, Body body) {
  // A case takes milliseconds: whoever is still there after this hangs.
  constexpr unsigned kSecondsMax = 60;
  fflush(stdout);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(kSecondsMax);
    // Where huge pages are always on, the kernel would clear 2 MiB for each byte that is written.
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    const int before = failures_so_far();
    {
      const testing::ScopedTrace trace(__FILE__, __LINE__, what);
      body();
    }
    fflush(stdout);
    _exit(failures_so_far() == before ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "in the child: " << what;
}

}  // namespace hakmem::fakeos
