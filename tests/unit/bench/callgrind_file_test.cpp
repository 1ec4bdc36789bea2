// What `hakmem bench compare` reads of callgrind's files.
#include "bench/callgrind_file.h"

#include <gtest/gtest.h>

#include <sstream>

namespace hakmem::bench {
namespace {

CallgrindProfile read(const char* text) {
  std::istringstream input(text);
  return read_callgrind_file(input);
}

TEST(CallgrindFile, SumsByFunctionAndLeavesCallsOut) {
  const CallgrindProfile profile = read(
      "# callgrind format\n"
      "positions: line\n"
      "events: Ir sysCount sysTime\n"
      "ob=(1) /usr/lib/libhakmem.so\n"
      "fl=(1) heap.cpp\n"
      "fn=(1) hakmem::allocate(unsigned long)\n"
      "10 7\n"
      "+2 3\n"
      "cob=(2) /usr/lib/libc.so.6\n"
      "cfn=(2) mmap\n"
      "calls=1 0\n"
      "12 900 1 5000\n"
      "* 5\n"
      "ob=(2)\n"
      "fn=(2)\n"
      "1 20 1 5000\n"
      "\n"
      "ob=(1)\n"
      "fn=(1)\n"
      "-4 1\n");
  EXPECT_EQ(profile.instructions, 36u);
  EXPECT_EQ(profile.system_calls, 1u);
  EXPECT_EQ(profile.system_ns, 5000u);
  ASSERT_EQ(profile.functions.size(), 2u);
  EXPECT_EQ(profile.functions[0].name, "mmap");
  EXPECT_EQ(profile.functions[0].object, "/usr/lib/libc.so.6");
  EXPECT_EQ(profile.functions[0].instructions, 20u);
  EXPECT_EQ(profile.functions[1].name, "hakmem::allocate");
  EXPECT_EQ(profile.functions[1].instructions, 16u);
}

TEST(CallgrindFile, KeepsTheAnonymousNamespaceAndDropsRecursionMarks) {
  const CallgrindProfile profile = read(
      "events: Ir\n"
      "fn=(1) bench::(anonymous namespace)::run(int)'2\n"
      "1 4\n");
  ASSERT_EQ(profile.functions.size(), 1u);
  EXPECT_EQ(profile.functions[0].name, "bench::(anonymous namespace)::run");
}

TEST(CallgrindFile, OfNothingIsNothing) {
  EXPECT_EQ(read("").instructions, 0u);
  EXPECT_TRUE(read("what is this\n").functions.empty());
}

}  // namespace
}  // namespace hakmem::bench
