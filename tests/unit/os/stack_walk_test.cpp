// walk_stack() sees what backtrace() sees.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "os/modules.h"
#include "os/unwind.h"

namespace hakmem {
namespace {

struct Walks {
  std::vector<uintptr_t> slow, quick;
};

[[gnu::noinline]] Walks both(os::KnownFrames* known) {
  Walks walks;
  uintptr_t frames[128];
  walks.slow.assign(frames, frames + os::backtrace(frames, 128));
  walks.quick.assign(frames, frames + os::walk_stack(known, frames, 128));
  return walks;
}

[[gnu::noinline]] Walks deep(os::KnownFrames* known, int depth) {
  if (depth == 0) return both(known);
  Walks walks = deep(known, depth - 1);
  walks.slow.push_back(0);  // no tail call
  walks.slow.pop_back();
  return walks;
}

TEST(StackWalk, SeesWhatTheBacktraceOfReportsSees) {
  const auto known = std::make_unique<os::KnownFrames>();
  for (int round = 0; round < 3; ++round) {
    for (int depth = 0; depth < 40; depth += 3) {
      Walks walks = deep(known.get(), depth);
      // The first is the place of either call in both().
      ASSERT_GT(walks.slow.size(), static_cast<size_t>(depth) + 3);
      walks.slow.erase(walks.slow.begin());
      ASSERT_GT(walks.quick.size(), walks.slow.size() - 1);
      walks.quick.erase(walks.quick.begin());
      // Where tables end one of them goes on by frame pointers.
      walks.quick.resize(std::min(walks.quick.size(), walks.slow.size()));
      EXPECT_EQ(walks.quick, walks.slow);
    }
  }
}

TEST(StackWalk, EndsAtTheRoomGiven) {
  const auto known = std::make_unique<os::KnownFrames>();
  uintptr_t frames[4] = {};
  EXPECT_EQ(os::walk_stack(known.get(), frames, 2), 2u);
  EXPECT_EQ(frames[2], 0u);
}

TEST(CodeRange, NamesTheModuleWithoutALock) {
  const uintptr_t here = reinterpret_cast<uintptr_t>(&both);
  const os::CodeRange range = os::code_range_at(here);
  ASSERT_NE(range.end, 0u);
  EXPECT_LE(range.begin, here);
  EXPECT_GT(range.end, here);
  EXPECT_TRUE(range.is_program);
  const os::Module quick = os::module_of(range);
  const os::Module slow = os::module_at(here);
  EXPECT_STREQ(quick.path, slow.path);
  EXPECT_EQ(quick.base, slow.base);
  EXPECT_EQ(quick.build_id_size, slow.build_id_size);
  EXPECT_TRUE(std::equal(quick.build_id, quick.build_id + quick.build_id_size, slow.build_id));
  EXPECT_EQ(os::code_range_at(1).end, 0u);
}

}  // namespace
}  // namespace hakmem
