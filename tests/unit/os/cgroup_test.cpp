// What the kernel's files say about a memory limit.
#include "os/cgroup.h"

#include <gtest/gtest.h>

#include <string>

namespace hakmem::os {
namespace {

std::string path_of(const CgroupLine& line) { return {line.path.data, line.path.size}; }

TEST(Cgroup, LinesOfBothVersions) {
  const CgroupLine two = parse_cgroup_line("0::/user.slice/a");
  EXPECT_TRUE(two.is_memory);
  EXPECT_TRUE(two.is_version_2);
  EXPECT_EQ(path_of(two), "/user.slice/a");
  const CgroupLine one = parse_cgroup_line("4:memory:/docker/1");
  EXPECT_TRUE(one.is_memory);
  EXPECT_FALSE(one.is_version_2);
  EXPECT_EQ(path_of(one), "/docker/1");
  EXPECT_TRUE(parse_cgroup_line("7:cpu,memory,pids:/").is_memory);
  EXPECT_EQ(path_of(parse_cgroup_line("7:memory:/a:b")), "/a:b");
}

TEST(Cgroup, OtherLinesAreNotMemory) {
  for (const char* text : {"3:cpuset:/", "9:name=systemd:/memory", "5:memoryx,xmemory:/", "", "0", "0:",
                           "memory", ":"}) {
    EXPECT_FALSE(parse_cgroup_line(text).is_memory) << text;
  }
}

TEST(Cgroup, Limits) {
  EXPECT_EQ(parse_cgroup_limit("268435456"), mib(256));
  EXPECT_EQ(parse_cgroup_limit("0"), Bytes(0));
  for (const char* text : {"max", "", "9223372036854771712", "18446744073709551615",
                           "99999999999999999999999", "-1", "12k"}) {
    EXPECT_EQ(parse_cgroup_limit(text), Bytes(SIZE_MAX)) << text;
  }
}

TEST(Cgroup, TheProcessesOwnIsSomeNumber) { EXPECT_GT(cgroup_memory_limit(), Bytes(0)); }

}  // namespace
}  // namespace hakmem::os
