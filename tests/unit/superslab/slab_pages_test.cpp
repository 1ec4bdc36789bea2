// A slab's pages against a model that looks at one byte after the other.
#include "superslab/slab_pages.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>
#include <vector>

#include "os/process.h"
#include "unit/support.h"

namespace hakmem {
namespace {

// A slab without memory behind it: only records and bitmap are looked at.
class FakeSlab {
 public:
  explicit FakeSlab(ClassIndex c) {
    const SizeClass& info = class_info(c);
    slab().base = uintptr_t{1} << 40;
    slab().blocks = info.blocks;
    slab().slots = static_cast<uint8_t>(info.slots);
    slab().size_class = static_cast<uint8_t>(c.count());
    bitmap_.assign(slab().words(), 0);
    slab().bitmap = bitmap_.data();
    for (uint32_t i = 1; i < info.slots; ++i) records_[i].head_distance = static_cast<uint8_t>(i);
  }
  Slab& slab() { return records_[0]; }

  void set_free(uint32_t block) { put_block(slab(), block); }

  // Pages of which every byte that is a block's is a free block's, and some byte is.
  std::set<uint32_t> hole_pages() {
    const size_t page_bytes = os::page_size().count();
    const size_t size = class_info(slab().class_index()).block_bytes;
    std::set<uint32_t> pages;
    for (uint32_t page = 0; page < slab().slots * kSlotBytes.count() / page_bytes; ++page) {
      bool some = false;
      bool all = true;
      for (size_t byte = page * page_bytes; byte < (page + 1) * page_bytes; ++byte) {
        const size_t block = byte / size;
        if (block >= slab().blocks) break;
        some = true;
        all = all && block_is_free(slab(), static_cast<uint32_t>(block));
      }
      if (some && all) pages.insert(page);
    }
    return pages;
  }

 private:
  Slab records_[kSlotsPerSuperSlab] = {};
  std::vector<uint64_t> bitmap_;
};

std::vector<PageRun> holes_of(const Slab& slab) {
  std::vector<PageRun> runs;
  for (PageRun run = next_hole(slab, 0); run.count != 0;
       run = next_hole(slab, uint32_t{run.first} + run.count)) {
    runs.push_back(run);
  }
  return runs;
}

std::set<uint32_t> pages_of(const std::vector<PageRun>& runs) {
  std::set<uint32_t> pages;
  for (const PageRun& run : runs) {
    for (uint32_t i = 0; i < run.count; ++i) pages.insert(run.first + i);
  }
  return pages;
}

ClassIndex any_class_of_many() {
  return ClassIndex(*rc::gen::inRange(0u, class_of(kMidMax).count() + 1));
}

TEST(SlabPages, HolesAreThePagesUnderFreeBlocksAlone) {
  EXPECT_TRUE(rc::check("any class, any bitmap", [] {
    FakeSlab fake(any_class_of_many());
    const uint32_t in_a_hundred = *rc::gen::element(0u, 2u, 50u, 98u, 100u);
    test::Random random(*rc::gen::arbitrary<uint64_t>());
    for (uint32_t block = 0; block < fake.slab().blocks; ++block) {
      if (random.below(100) < in_a_hundred) fake.set_free(block);
    }
    RC_ASSERT(pages_of(holes_of(fake.slab())) == fake.hole_pages());
  }));
}

TEST(SlabPages, ClaimedAndReturnedBlocksAreAsBefore) {
  EXPECT_TRUE(rc::check("any class, half of it free in runs", [] {
    FakeSlab fake(any_class_of_many());
    Slab& slab = fake.slab();
    test::Random random(*rc::gen::arbitrary<uint64_t>());
    for (uint32_t block = 0; block < slab.blocks; ++block) {
      if (block * size_t{class_info(slab.class_index()).block_bytes} / 20000 % 2 == 0 ||
          random.below(4) == 0) {
        fake.set_free(block);
      }
    }
    const std::vector<uint64_t> before(slab.bitmap, slab.bitmap + slab.words());
    const uint32_t free_before = slab.free_count;
    const std::vector<PageRun> runs = holes_of(slab);
    for (const PageRun& run : runs) claim_blocks_on(slab, run);
    RC_ASSERT(count_free_bits(slab) == slab.free_count);
    RC_ASSERT(holes_of(slab).empty());
    for (const PageRun& run : runs) return_blocks_on(slab, run, true);
    RC_ASSERT(std::vector<uint64_t>(slab.bitmap, slab.bitmap + slab.words()) == before);
    RC_ASSERT(slab.free_count == free_before);
    RC_ASSERT(holes_of(slab).empty());  // nothing that is not purged yet
    RC_ASSERT(purged_bytes(slab) ==
              Bytes(pages_of(runs).size() * os::page_size().count()));
    RC_ASSERT(purged_pages_are_free(slab));
  }));
}

TEST(SlabPages, ARefusedPurgeLeavesTheHole) {
  FakeSlab fake(class_of(128));
  for (uint32_t block = 0; block < fake.slab().blocks; ++block) fake.set_free(block);
  const PageRun run = next_hole(fake.slab(), 0);
  EXPECT_EQ(Bytes(size_t{run.count} * os::page_size().count()), kSlotBytes);
  claim_blocks_on(fake.slab(), run);
  EXPECT_EQ(fake.slab().free_count, 0U);
  return_blocks_on(fake.slab(), run, false);
  EXPECT_EQ(purged_bytes(fake.slab()), Bytes(0));
  EXPECT_EQ(next_hole(fake.slab(), 0).count, run.count);
}

TEST(SlabPages, ABlockThatIsTakenBringsItsPagesBack) {
  EXPECT_TRUE(rc::check("any class, all free, all purged", [] {
    FakeSlab fake(any_class_of_many());
    Slab& slab = fake.slab();
    for (uint32_t block = 0; block < slab.blocks; ++block) fake.set_free(block);
    const PageRun run = next_hole(slab, 0);
    claim_blocks_on(slab, run);
    return_blocks_on(slab, run, true);
    std::vector<void*> taken(slab.blocks);
    const uint32_t want = *rc::gen::inRange(1u, slab.blocks + 1u);
    RC_ASSERT(take_blocks(slab, taken.data() + taken.size(), want) == want);
    RC_ASSERT(purged_pages_are_free(slab));
    // And only those: what is still purged is what is still a hole.
    RC_ASSERT(purged_bytes(slab) ==
              Bytes(fake.hole_pages().size() * os::page_size().count()));
  }));
}

}  // namespace
}  // namespace hakmem
