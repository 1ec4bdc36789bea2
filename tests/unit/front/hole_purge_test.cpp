// Holes of caches' slabs: what goes back, when, and that nothing is lost on the way.
#include "front/hole_purge.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <vector>

#include "os/process.h"
#include "unit/front/cache_access.h"
#include "unit/front/front_check.h"

namespace hakmem {
namespace {

using test::address_of;
using test::get;
using test::get_many;
using test::Owned;
using test::put;
using test::put_all;

const ClassIndex kClass = class_of(128);  // 512 blocks a slab, 32 a page
constexpr uint32_t kSlab = 512;

class HolePurgeTest : public test::FrontTest {
 protected:
  void SetUp() override { hole_purge().purge_all(); }
  void TearDown() override {
    cache_list().drain_parked();
    cache_list().for_each([](ThreadCache& cache) {
      cache.release_kept_slabs(ThreadCache::KeptSlabs::kAll);
    });
    FrontTest::TearDown();
  }

  // Time passes for HolePurge alone.
  static Milliseconds later(uint64_t milliseconds) {
    static uint64_t now_ms = 2'000'000'000;
    return Milliseconds(now_ms += milliseconds);
  }
  // A pass, more than half a decay time after the last.
  static Bytes pass() { return hole_purge().run(later(1000), UINT64_MAX); }
};

// Of `slabs` slabs' worth of blocks one in 256 stays in the program's hands.
std::vector<void*> leave_survivors(ThreadCache& cache, uint32_t slabs) {
  std::vector<void*> kept;
  std::vector<void*> blocks = get_many(cache, kClass, slabs * kSlab);
  for (void* block : blocks) std::memset(block, 0x5a, 128);
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 256 == 0) {
      kept.push_back(blocks[i]);
    } else {
      put(cache, blocks[i]);
    }
  }
  cache.trim();
  return kept;
}

Bytes purged_of(const std::vector<void*>& blocks) {
  std::map<const Slab*, Bytes> slabs;
  for (void* block : blocks) {
    const Slab* slab = registry().slot_of(address_of(block))->head();
    slabs[slab] = purged_bytes(*slab);
  }
  Bytes total;
  for (const auto& [slab, bytes] : slabs) total += bytes;
  return total;
}

TEST_F(HolePurgeTest, OnlyQuietSlabsGiveTheirHoles) {
  Owned cache;
  std::vector<void*> kept = leave_survivors(*cache, 8);
  pass();  // sees them for the first time
  EXPECT_EQ(purged_of(kept), Bytes(0));
  void* block = get(*cache, kClass);  // one slab is at work
  put(*cache, block);
  cache->trim();
  void* busy = get(*cache, kClass);
  EXPECT_GE(pass().count(), 7 * 12 * os::page_size().count());
  EXPECT_GE(purged_of(kept).count(), 7 * 12 * os::page_size().count());
  put(*cache, busy);
  for (void* survivor : kept) EXPECT_EQ(*static_cast<unsigned char*>(survivor), 0x5a);
  for (int i = 0; i < 3; ++i) pass();
  EXPECT_EQ(pass(), Bytes(0)) << "there is nothing left";
  put_all(*cache, kept);
}

TEST_F(HolePurgeTest, PassesAreHalfADecayTimeApart) {
  Owned cache;
  std::vector<void*> kept = leave_survivors(*cache, 4);
  pass();
  EXPECT_EQ(hole_purge().run(later(400), UINT64_MAX), Bytes(0));
  EXPECT_GT(hole_purge().run(later(200), UINT64_MAX), Bytes(0));
  put_all(*cache, kept);
}

TEST_F(HolePurgeTest, ADeadlineCutsAPassAndTheNextRunGoesOn) {
  Owned cache;
  std::vector<void*> kept = leave_survivors(*cache, 200);  // seven SuperSlabs
  pass();
  const Milliseconds now = later(1000);
  const Bytes first = hole_purge().run(now, 0);
  const Bytes second = hole_purge().run(now, 0);
  const Bytes rest = hole_purge().run(now, UINT64_MAX);
  EXPECT_GT(rest, first + second);
  EXPECT_EQ(hole_purge().run(now, UINT64_MAX), Bytes(0));
  put_all(*cache, kept);
}

TEST_F(HolePurgeTest, PurgedBlocksAreUsedAgain) {
  Owned cache;
  std::vector<void*> kept = leave_survivors(*cache, 8);
  EXPECT_GT(hole_purge().purge_all(), Bytes(0));
  std::vector<void*> blocks = get_many(*cache, kClass, 8 * kSlab - 16);
  for (void* block : blocks) std::memset(block, 1, 128);
  EXPECT_EQ(purged_of(kept), Bytes(0));
  put_all(*cache, blocks);
  put_all(*cache, kept);
}

TEST_F(HolePurgeTest, AKeptSlabThatNobodyCameBackForIsReleased) {
  Owned cache;
  put(*cache, get(*cache, kClass));
  cache->leave();  // its stacks are empty
  const uint64_t releases = pool().stats().releases;
  pass();
  EXPECT_EQ(pool().stats().releases, releases);
  pass();
  EXPECT_GT(pool().stats().releases, releases);
}

// Claims the slab's holes; its owner's lock is free again.
std::vector<HoleClaim> claim_holes(ThreadCache& owner, Slab* slab) {
  std::vector<HoleClaim> claims(64);
  os::LockGuard guard(owner.lock());
  claims.resize(owner.claim_holes(slab, Holes::kAll, claims.data(), static_cast<uint32_t>(claims.size())));
  return claims;
}

TEST_F(HolePurgeTest, TheOthersAreUsedBeforeASlabWhosePagesWent) {
  Owned cache;
  std::vector<void*> kept = leave_survivors(*cache, 4);
  Slab* first = test::class_state(*cache, kClass).slabs.first();
  const std::vector<HoleClaim> claims = claim_holes(*cache, first);
  ASSERT_FALSE(claims.empty());
  for (const HoleClaim& claim : claims) ThreadCache::return_hole(claim, true);
  const Bytes gone = purged_bytes(*first);
  std::vector<void*> blocks = get_many(*cache, kClass, kSlab);  // of which the other three have more
  EXPECT_EQ(purged_bytes(*first), gone);
  put_all(*cache, blocks);
  put_all(*cache, kept);
}

// All that is free of it lies on whole pages, and all of them are claimed.
TEST_F(HolePurgeTest, NobodyIsGivenASlabOfWhichAllIsClaimed) {
  constexpr uint32_t kPageBlocks = 32;
  Owned adopter;
  Owned leaver;
  leaver->trim();
  while (cache_list().adopt(kClass, &*adopter)) {  // what other tests' caches may have
  }
  std::vector<void*> blocks = get_many(*leaver, kClass, kSlab);
  Slab* slab = registry().slot_of(address_of(blocks[0]))->head();
  std::vector<void*> kept;
  for (void* block : blocks) {
    const bool first_page = address_of(block) - slab->base < kPageBlocks * 128;
    first_page ? kept.push_back(block) : put(*leaver, block);
  }
  ThreadCache* home = leaver.exit();
  ASSERT_EQ(slab->free_count, kSlab - kPageBlocks);
  const std::vector<HoleClaim> claims = claim_holes(*home, slab);
  ASSERT_EQ(slab->free_count, 0U);
  EXPECT_FALSE(slab->listed);
  EXPECT_FALSE(cache_list().adopt(kClass, &*adopter));
  for (const HoleClaim& claim : claims) ThreadCache::return_hole(claim, true);
  EXPECT_TRUE(slab->listed);
  EXPECT_TRUE(cache_list().adopt(kClass, &*adopter));
  put_all(*adopter, kept);
}

// Between claim and return the program frees the last live blocks, and another cache adopts the slab.
TEST_F(HolePurgeTest, AClaimedSlabIsNotReleasedAndMayBeAdopted) {
  Owned adopter;
  Owned leaver;
  std::vector<void*> kept = leave_survivors(*leaver, 1);
  Slab* slab = registry().slot_of(address_of(kept[0]))->head();
  ThreadCache* home = leaver.exit();
  const std::vector<HoleClaim> claims = claim_holes(*home, slab);
  ASSERT_FALSE(claims.empty());
  for (void* block : kept) ThreadCache::return_home(block);
  EXPECT_FALSE(slab->all_free());
  ASSERT_TRUE(cache_list().adopt(kClass, &*adopter));
  ASSERT_EQ(tag_owner(registry().tag_of(slab->base)), adopter->id());
  for (const HoleClaim& claim : claims) ThreadCache::return_hole(claim, true);
  EXPECT_EQ(live(), 0U);
  EXPECT_TRUE(slab->all_free());
}

}  // namespace
}  // namespace hakmem
