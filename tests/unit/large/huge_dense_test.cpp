// Which huge blocks get huge pages, by what the ones before were like.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "os/huge_pages.h"
#include "os/pages.h"
#include "os/process.h"

#include "unit/large/huge_support.h"

namespace hakmem {
namespace {

class HugeDensityOfBlocks : public testing::Test {
 protected:
  void SetUp() override {
    if (kHardened) GTEST_SKIP() << "guards lie between small pages";
    if (getenv("TEST_EMULATOR") != nullptr) GTEST_SKIP() << "its pages are another's";
    if (access("/proc/self/pagemap", R_OK) != 0) GTEST_SKIP() << "the system does not say which pages there are";
    if (os::has_huge_pages_everywhere()) GTEST_SKIP() << "there is nothing to learn";
    if (os::page_size() != Bytes(4096)) GTEST_SKIP() << "huge pages are larger";
    // So that what is sparse stays so on a system that has huge pages everywhere.
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  }
  void TearDown() override { prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0); }

  // As a program that writes this share of a block, and no other block lies there afterwards.
  void use(size_t size, size_t written, HugeBlocks::Contents contents = HugeBlocks::Contents::kAny, int value = 1) {
    char* block = blocks_.get(size, contents);
    memset(block, value, written);
    blocks_->release(block);
    blocks_->purge_all();
  }
  uint64_t dense() { return blocks_->counters().dense.get(); }

  test::OwnHugeBlocks blocks_;
};

TEST_F(HugeDensityOfBlocks, AfterAFullOne) {
  use(8 << 20, 8 << 20);
  EXPECT_EQ(dense(), 0U);
  use(16 << 20, 16 << 20);
  EXPECT_EQ(dense(), 1U);
  use(40 << 20, 0);
  EXPECT_EQ(dense(), 1U) << "larger than any that was seen";
  use(8 << 20, 8 << 20);
  EXPECT_EQ(dense(), 1U) << "and that one was sparse";
}

// What is in them is read now and then; small pages are not needed for that.
TEST_F(HugeDensityOfBlocks, FullOnesGoOn) {
  use(8 << 20, 8 << 20);
  for (int i = 0; i < 40; ++i) use(8 << 20, 8 << 20);
  EXPECT_EQ(dense(), 40U);
}

TEST_F(HugeDensityOfBlocks, UntilOneIsSeenThatIsSparse) {
  use(8 << 20, 8 << 20);
  use(8 << 20, 8 << 20);
  ASSERT_EQ(dense(), 1U);
  for (int i = 0; i < 100; ++i) use(8 << 20, 0);
  EXPECT_LE(dense(), 1U + 8U);
}

// However regular the program is.
TEST_F(HugeDensityOfBlocks, NotForEverWhereEverySecondIsFull) {
  for (const int first : {0, 1}) {
    test::OwnHugeBlocks blocks;
    std::vector<char*> kept;
    for (int i = 0; i < 400; ++i) {
      kept.push_back(blocks.get(4 << 20));
      if (i % 2 == first) memset(kept.back(), 1, 4 << 20);
    }
    EXPECT_LE(blocks->counters().dense.get(), 60U) << "sixteen, and for each of those that are full and looked at eight more";
    for (char* block : kept) blocks->release(block);
  }
}

// Of a huge page that is all zeroes nobody knows whether they were written.
TEST_F(HugeDensityOfBlocks, ZeroesAreLookedAtInSmallPages) {
  const auto any = HugeBlocks::Contents::kAny;
  use(8 << 20, 8 << 20, any, 0);
  uint64_t in_small_pages = 0;
  for (int i = 0; i < 80; ++i) {
    const uint64_t before = dense();
    use(8 << 20, 8 << 20, any, 0);
    in_small_pages += dense() == before;
  }
  EXPECT_GE(in_small_pages, 5U) << "else nobody sees that they were written";
  EXPECT_LE(in_small_pages, 10U);
}

TEST_F(HugeDensityOfBlocks, AllPagesOfABlockWithHugePagesTellNothing) {
  char* sparse = blocks_.get(8 << 20);
  use(8 << 20, 8 << 20);
  std::vector<char*> blocks;
  for (int i = 0; i < 8; ++i) {
    blocks.push_back(blocks_.get(8 << 20));
    memset(blocks.back(), 0, 8 << 20);
  }
  ASSERT_EQ(dense(), 8U);
  blocks_->release(sparse);
  blocks_->release(blocks.front());
  blocks_->purge_all();
  blocks.front() = blocks_.get(8 << 20);
  EXPECT_EQ(dense(), 8U) << "the last one was watched, and has all its pages";
  for (char* block : blocks) blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, BesideAFullOneThatStays) {
  char* first = blocks_.get(8 << 20);
  memset(first, 1, 8 << 20);
  char* second = blocks_.get(8 << 20);
  EXPECT_EQ(dense(), 1U);
  blocks_->release(first);
  blocks_->release(second);
}

TEST_F(HugeDensityOfBlocks, BesideAsManyAsAreSeenToBeFull) {
  for (int round = 0; round < 2; ++round) {
    std::vector<char*> blocks;
    for (int i = 0; i < 100; ++i) {
      blocks.push_back(blocks_.get(2 << 20));
      memset(blocks.back(), 1, 2 << 20);
    }
    EXPECT_EQ(dense(), 99U + 100U * static_cast<unsigned>(round)) << "all but the first of all";
    for (char* block : blocks) blocks_->release(block);
    blocks_->purge_all();
  }
}

// What is seen to be full does not count as that for what it grows by, and has it not lost for itself.
TEST_F(HugeDensityOfBlocks, AFullBlockThatGrowsIsLookedAtAgain) {
  std::vector<char*> blocks;
  for (int i = 0; i < 40; ++i) {
    blocks.push_back(blocks_.get(4 << 20));
    memset(blocks.back(), 1, 4 << 20);
  }
  ASSERT_EQ(dense(), 39U);
  for (size_t i = 1; i < 6; ++i) {
    const uint64_t before = dense();
    blocks[i] = static_cast<char*>(blocks_->resize(blocks[i], mib(8)));
    ASSERT_NE(blocks[i], nullptr);
    memset(blocks[i], 1, 8 << 20);
    EXPECT_EQ(dense(), before + 1) << i;
  }
  for (char* block : blocks) blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, NotBesideOnesThatAreNotFull) {
  std::vector<char*> blocks;
  for (int i = 0; i < 20; ++i) {
    blocks.push_back(blocks_.get(8 << 20));
    memset(blocks.back(), 1, 7 << 20);
  }
  EXPECT_EQ(dense(), 0U);
  for (char* block : blocks) blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, NotWhereAnEighthIsMissing) {
  for (int i = 0; i < 40; ++i) use(8 << 20, 7 << 20);
  EXPECT_EQ(dense(), 0U);
}

// Blocks that stay, and of which nothing is known.
TEST_F(HugeDensityOfBlocks, ForFewThatStay) {
  use(8 << 20, 8 << 20);
  std::vector<char*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(blocks_.get(16 << 20));
  EXPECT_EQ(dense(), 4U);
  blocks_->release(blocks.front());
  blocks_->purge_all();
  blocks.front() = blocks_.get(16 << 20);
  EXPECT_EQ(dense(), 5U) << "instead of one that is gone";
  for (char* block : blocks) blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, NotWhereTheUserSaysOff) {
  const test::ScopedConfig off([](Config& c) { c.thp = AutoSwitch::kOff; });
  for (int i = 0; i < 9; ++i) use(8 << 20, 8 << 20);
  EXPECT_EQ(dense(), 0U);
}

// The pages would be there at once.
TEST_F(HugeDensityOfBlocks, NotWhereALimitIsNear) {
  use(32 << 20, 32 << 20);
  for (const bool on : {false, true}) {
    const test::ScopedConfig near([=](Config& c) {
      c.memory_limit_bytes = mib(48).count();
      if (on) c.thp = AutoSwitch::kOn;
    });
    char* block = blocks_.get(60 << 20);
    EXPECT_EQ(dense(), 0U);
    blocks_->release(block);
  }
}

TEST_F(HugeDensityOfBlocks, AlwaysWhereTheUserSaysOn) {
  const test::ScopedConfig on([](Config& c) { c.thp = AutoSwitch::kOn; });
  for (int i = 0; i < 9; ++i) use(8 << 20, 0, HugeBlocks::Contents::kZero);
  EXPECT_EQ(dense(), 9U);
}

TEST_F(HugeDensityOfBlocks, NotForZeroes) {
  for (int i = 0; i < 9; ++i) use(64 << 20, 64 << 20, HugeBlocks::Contents::kZero);
  EXPECT_EQ(dense(), 0U);
  use(8 << 20, 8 << 20);
  use(8 << 20, 0, HugeBlocks::Contents::kZero);
  EXPECT_EQ(dense(), 0U);
  use(8 << 20, 0);
  EXPECT_EQ(dense(), 1U);
}

// Pages that are there already say nothing of who has them now.
TEST_F(HugeDensityOfBlocks, RetainedPagesTellNothing) {
  char* block = blocks_.get(8 << 20, HugeBlocks::Contents::kZero);
  memset(block, 1, 8 << 20);
  blocks_->release(block);
  for (int i = 0; i < 40; ++i) blocks_->release(blocks_.get(8 << 20));
  blocks_->purge_all();
  use(8 << 20, 0);
  EXPECT_EQ(dense(), 0U);
}

TEST_F(HugeDensityOfBlocks, ABlockThatGrewIntoRetainedPagesTellsNothing) {
  for (int i = 0; i < 20; ++i) {
    char* block = blocks_.get(16 << 20);
    memset(block, 1, 16 << 20);
    EXPECT_EQ(blocks_->resize(block, mib(14)), block);
    EXPECT_EQ(blocks_->resize(block, mib(15)), block) << "into its tail, which was retained";
    blocks_->release(block);
    blocks_->purge_all();
  }
  EXPECT_EQ(dense(), 0U);
}

TEST_F(HugeDensityOfBlocks, ABlockThatGrowsWasFull) {
  size_t size = 4 << 20;
  char* block = blocks_.get(size);
  for (uint64_t i = 1; i <= 5; ++i) {
    memset(block, 1, size);
    size += size / 2;
    size &= ~size_t{4095};
    block = static_cast<char*>(blocks_->resize(block, Bytes(size)));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(dense(), i);
  }
  blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, AndOneThatIsNotFullEndsThat) {
  char* block = blocks_.get(4 << 20);
  memset(block, 1, 4 << 20);
  block = static_cast<char*>(blocks_->resize(block, mib(8)));
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(dense(), 1U);
  block = static_cast<char*>(blocks_->resize(block, mib(12)));
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(dense(), 1U);
  blocks_->release(block);
  use(4 << 20, 0);
  EXPECT_EQ(dense(), 1U);
}

// So that its last page is not small ones.
TEST_F(HugeDensityOfBlocks, ADenseBlockEndsWithAHugePage) {
  use(16 << 20, 16 << 20);
  char* block = blocks_.get(15 << 20);
  ASSERT_EQ(dense(), 1U);
  EXPECT_EQ(blocks_->size_of(block), mib(16));
  for (const Bytes size : {mib(16), Bytes((14 << 20) + 1), mib(15)}) {
    EXPECT_EQ(blocks_->resize(block, size), block);
    EXPECT_EQ(blocks_->size_of(block), mib(16));
  }
  EXPECT_EQ(blocks_->resize(block, mib(13)), block);
  EXPECT_EQ(blocks_->size_of(block), mib(13));
  blocks_->purge_all();
  char* small = blocks_.get((6 << 20) + 4096);
  EXPECT_EQ(blocks_->size_of(small), Bytes((6 << 20) + 4096)) << "more than a quarter is missing";
  blocks_->release(small);
  blocks_->release(block);
}

// Else a block that grows by pages would be looked at for each.
TEST_F(HugeDensityOfBlocks, AStepTellsNothing) {
  size_t size = 4 << 20;
  char* block = blocks_.get(size);
  memset(block, 1, size);
  for (int i = 0; i < 9; ++i) {
    size += 4096;
    block = static_cast<char*>(blocks_->resize(block, Bytes(size)));
    ASSERT_NE(block, nullptr);
  }
  // Who looks now does not see that it was full.
  os::purge(block, Bytes(size));
  use(4 << 20, 0);
  EXPECT_EQ(dense(), 0U);
  blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, ASparseBlockThatGrowsIsNone) {
  char* block = blocks_.get(4 << 20);
  for (size_t size = 8 << 20; size <= 64 << 20; size *= 2) {
    block = static_cast<char*>(blocks_->resize(block, Bytes(size)));
    ASSERT_NE(block, nullptr);
    block[size - 1] = 1;
  }
  EXPECT_EQ(dense(), 0U);
  blocks_->release(block);
}

// A table of zeroes stays one when it is made longer, and so does a block that nobody looked at.
TEST_F(HugeDensityOfBlocks, ATableOfZeroesThatGrowsGetsNone) {
  use(32 << 20, 32 << 20);
  char* table = blocks_.get(16 << 20, HugeBlocks::Contents::kZero);
  table = static_cast<char*>(blocks_->resize(table, mib(18)));
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(dense(), 0U);
  blocks_->release(table);
}

TEST_F(HugeDensityOfBlocks, ADenseBlockThatGrowsGetsThemAgain) {
  use(32 << 20, 32 << 20);
  char* block = blocks_.get(16 << 20);
  for (uint64_t turn = 1; turn <= 4; ++turn) {
    EXPECT_EQ(dense(), turn);
    memset(block, 1, blocks_->size_of(block).count());
    block = static_cast<char*>(blocks_->resize(block, Bytes((16 + 4 * turn) << 20)));
    ASSERT_NE(block, nullptr);
  }
  blocks_->release(block);
}

// Steps in between change nothing.
TEST_F(HugeDensityOfBlocks, ADenseBlockThatGrewByAPageGetsThemAgain) {
  use(32 << 20, 32 << 20);
  char* block = blocks_.get(16 << 20);
  ASSERT_EQ(dense(), 1U);
  for (const size_t size : {size_t{16 << 20} + 4096, size_t{20 << 20}}) {
    memset(block, 1, blocks_->size_of(block).count());
    block = static_cast<char*>(blocks_->resize(block, Bytes(size)));
    ASSERT_NE(block, nullptr);
  }
  EXPECT_EQ(dense(), 2U);
  blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, ARangeThatGrowsForADenseBlockGetsThem) {
  use(16 << 20, 16 << 20);
  blocks_->release(blocks_.get(8 << 20));
  const uint64_t before = dense();
  const uint64_t maps = blocks_->stats().maps;
  char* block = blocks_.get(16 << 20);
  EXPECT_EQ(blocks_->stats().maps, maps);
  EXPECT_EQ(dense(), before + 1);
  blocks_->release(block);
}

TEST_F(HugeDensityOfBlocks, ARangeThatGrowsForZeroesGetsNone) {
  use(16 << 20, 16 << 20);
  blocks_->release(blocks_.get(8 << 20));
  const uint64_t before = dense();
  const uint64_t maps = blocks_->stats().maps;
  char* block = blocks_.get(16 << 20, HugeBlocks::Contents::kZero);
  EXPECT_EQ(blocks_->stats().maps, maps);
  EXPECT_EQ(dense(), before);
  EXPECT_TRUE(test::all_zero(block, 16 << 20));
  blocks_->release(block);
}

// A block that was asked for, and its neighbour that was not: two mappings, and yet one block.
TEST_F(HugeDensityOfBlocks, PartsWithDifferentAdviceGrowAsOne) {
  use(16 << 20, 16 << 20);
  char* block = blocks_.get(32 << 20);
  ASSERT_EQ(dense(), 1U);
  os::advise_huge_pages(block + (16 << 20), mib(16), false);
  block[(32 << 20) - 1] = 7;
  for (const Bytes size : {Bytes((32 << 20) + 4096), mib(40)}) {
    block = static_cast<char*>(blocks_->resize(block, size));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(block[(32 << 20) - 1], 7);
    os::advise_huge_pages(block + (8 << 20), mib(8), true);
  }
  blocks_->release(block);
}

}  // namespace
}  // namespace hakmem
