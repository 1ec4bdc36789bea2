#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "os/pages.h"
#include "os/process.h"

#include "unit/support.h"

namespace hakmem {
namespace {

class Remap : public testing::Test {
 protected:
  const size_t page_ = os::page_size().count();
  const Bytes leaf_{page_ / 8 * page_};

  void SetUp() override {
    // And a leaf of 64 KiB pages is half a GiB.
    if (getenv("TEST_EMULATOR") != nullptr) GTEST_SKIP() << "the emulator moves mappings by rules of its own";
  }

  // So that it cannot stay where it is.
  char* map_below_a_wall(size_t offset, Bytes size) {
    char* place = static_cast<char*>(os::map(leaf_ + leaf_ + size, leaf_)) + offset;
    memset(place, 0x5a, size.count());
    return place;
  }
};

TEST_F(Remap, WhatGrowsByALeafKeepsItsPlaceWithinLeaves) {
  if (os::address_space_limit() != Bytes(SIZE_MAX) || os::data_limit() != Bytes(SIZE_MAX)) GTEST_SKIP() << "there are limits";
  for (const size_t offset : {size_t{0}, page_, leaf_.count() - page_}) {
    char* block = map_below_a_wall(offset, leaf_);
    const Bytes grown = leaf_ + leaf_;
    // The end of the mapping behind it is the wall.
    char* moved = static_cast<char*>(os::remap(block, leaf_, grown));
    ASSERT_NE(moved, nullptr);
    EXPECT_EQ(test::address_of(moved) % leaf_.count(), offset);
    EXPECT_TRUE(moved[0] == 0x5a && memcmp(moved, moved + 1, leaf_.count() - 1) == 0);
    EXPECT_TRUE(test::all_zero(moved + leaf_.count(), leaf_.count()));
    os::unmap(moved, grown);
  }
}

TEST_F(Remap, WhatCanStayStays) {
  const Bytes whole = leaf_ + leaf_ + leaf_;
  char* block = static_cast<char*>(os::map(whole, leaf_));
  os::unmap(block + leaf_.count(), leaf_ + leaf_);
  EXPECT_EQ(os::remap(block, leaf_, whole), block);
  EXPECT_EQ(os::remap(block, whole, leaf_), block);
  os::unmap(block, leaf_);
}

// And no address is lost by that.
TEST_F(Remap, IsRefusedBeyondALimit) {
  char* block = map_below_a_wall(0, leaf_);
  rlimit limit;
  limit.rlim_cur = limit.rlim_max = size_t{1} << 40;
  EXPECT_EXIT(
      {
        const bool limited = setrlimit(RLIMIT_DATA, &limit) == 0;
        _exit(limited && os::remap(block, leaf_, Bytes(size_t{1} << 42)) == nullptr && block[0] == 0x5a ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace hakmem
