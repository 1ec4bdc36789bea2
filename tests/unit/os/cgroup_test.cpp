// What the kernel's files say about a memory limit.
#include "os/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace hakmem::os {
namespace {

// The files of a machine that is not this one.
class FakeRoot {
 public:
  FakeRoot() {
    std::string name = (std::filesystem::temp_directory_path() / "hakmem-cgroup-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  ~FakeRoot() { std::filesystem::remove_all(root_); }

  FakeRoot& file(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = root_ + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
    return *this;
  }
  MemoryReport report() const { return read_memory_report(root_.c_str()); }

 private:
  std::string root_;
};

constexpr const char* kMiB256 = "268435456\n";

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

TEST(Cgroup, NothingThereIsNoLimitAndNoPressure) {
  const MemoryReport report = FakeRoot().report();
  EXPECT_EQ(report.limit, Bytes(SIZE_MAX));
  EXPECT_EQ(report.full_percent, 0u);
  EXPECT_EQ(report.limit_hits, 0u);
  EXPECT_FALSE(report.knows_stalls);
}

TEST(Cgroup, Version2TakesTheLeastLimitOfAllAround) {
  FakeRoot root;
  root.file("/proc/self/cgroup", "0::/a/b\n")
      .file("/sys/fs/cgroup/a/b/memory.max", "max\n")
      .file("/sys/fs/cgroup/a/b/memory.high", "1073741824\n")
      .file("/sys/fs/cgroup/a/memory.max", kMiB256);
  EXPECT_EQ(root.report().limit, mib(256));
  root.file("/sys/fs/cgroup/a/memory.max", "134217728\n");
  EXPECT_EQ(root.report().limit, mib(128));
}

TEST(Cgroup, FilePagesDoNotFillAGroup) {
  FakeRoot root;
  root.file("/proc/self/cgroup", "0::/a\n")
      .file("/sys/fs/cgroup/a/memory.max", "1000000000\n")
      .file("/sys/fs/cgroup/a/memory.current", "900000000\n")
      .file("/sys/fs/cgroup/a/memory.stat",
            "anon 600000000\ninactive_anon 5\ninactive_file 200000000\nactive_file 100000000\n");
  EXPECT_NEAR(root.report().full_percent, 60, 1);
  root.file("/sys/fs/cgroup/a/memory.stat", "anon 890000000\ninactive_file 10000000\nactive_file 0\n");
  EXPECT_NEAR(root.report().full_percent, 89, 1);
  root.file("/sys/fs/cgroup/a/memory.current", "400000000\n");
  EXPECT_EQ(root.report().full_percent, 0u);
}

TEST(Cgroup, Version1) {
  FakeRoot root;
  root.file("/proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1\n0::/\n")
      .file("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "1000000000\n")
      .file("/sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "950000000\n")
      .file("/sys/fs/cgroup/memory/docker/1/memory.stat",
            "cache 7\ninactive_file 900000000\ntotal_inactive_file 30000000\ntotal_active_file 0\n")
      .file("/sys/fs/cgroup/memory/docker/1/memory.failcnt", "17\n")
      .file("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "9223372036854771712\n");
  const MemoryReport report = root.report();
  EXPECT_EQ(report.limit, Bytes(1000000000));
  EXPECT_NEAR(report.full_percent, 92, 1);
  EXPECT_EQ(report.limit_hits, 17u);
}

TEST(Cgroup, EventsOfLimitedGroupsAreAdded) {
  FakeRoot root;
  root.file("/proc/self/cgroup", "0::/a\n")
      .file("/sys/fs/cgroup/a/memory.max", kMiB256)
      .file("/sys/fs/cgroup/a/memory.events", "low 9\nhigh 3\nmax 4\noom 1\noom_kill 1\n");
  EXPECT_EQ(root.report().limit_hits, 7u);
}

TEST(Cgroup, StallsOfTheInnermostGroupElseOfTheMachine) {
  FakeRoot root;
  root.file("/proc/self/cgroup", "0::/a/b\n")
      .file("/proc/pressure/memory", "some avg10=3.21 avg60=0.00 avg300=0.00 total=18036\n");
  EXPECT_TRUE(root.report().knows_stalls);
  EXPECT_EQ(root.report().stalled_percent, 3u);
  root.file("/sys/fs/cgroup/a/memory.pressure", "some avg10=10.00 avg60=0.00 avg300=0.00 total=1\n");
  EXPECT_EQ(root.report().stalled_percent, 10u);
  root.file("/sys/fs/cgroup/a/b/memory.pressure",
            "some avg10=99.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00\n");
  EXPECT_EQ(root.report().stalled_percent, 99u);
  root.file("/sys/fs/cgroup/a/b/memory.pressure", "");
  EXPECT_EQ(root.report().stalled_percent, 10u);
}

TEST(Cgroup, APathTooLongIsNoFile) {
  FakeRoot root;
  root.file("/proc/self/cgroup", "0::/" + std::string(600, 'x') + "\n");
  EXPECT_EQ(root.report().limit, Bytes(SIZE_MAX));
}

TEST(Cgroup, TheProcessesOwnIsSomeNumber) { EXPECT_GT(read_memory_report().limit, Bytes(0)); }

}  // namespace
}  // namespace hakmem::os
