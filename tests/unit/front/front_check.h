// unit/front/front_check.h: the walker's answer and its count of live blocks, as gtest assertions.
#pragma once

#include <gtest/gtest.h>

#include "observe/invariants.h"

namespace hakmem::test {

// Blocks that are neither free in a bitmap nor cached nor on their way.
inline uint64_t live_blocks() {
  HeapWalk walk;
  const char* violation = check_heap(Threads::kStopped, &walk);
  EXPECT_STREQ(violation, nullptr);
  return walk.live_blocks();
}

inline uint64_t free_in_bitmaps() {
  HeapWalk walk;
  check_heap(Threads::kStopped, &walk);
  return walk.free_blocks;
}

// Each front test gives back what it took.
class FrontTest : public testing::Test {
 protected:
  FrontTest() : live_before_(live_blocks()) {}
  void TearDown() override { EXPECT_EQ(live_blocks(), live_before_); }

  uint64_t live() const { return live_blocks() - live_before_; }
  // The test has lost blocks on purpose.
  void forgive(uint64_t lost) { live_before_ += lost; }

 private:
  uint64_t live_before_;
};

}  // namespace hakmem::test
