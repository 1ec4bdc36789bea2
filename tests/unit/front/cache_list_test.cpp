// Caches that park, are taken over, adopted from, and orphaned by a fork.
#include "front/cache_list.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "unit/front/cache_access.h"
#include "unit/front/front_check.h"

namespace hakmem {
namespace {

using test::address_of;
using test::depth_of;
using test::get;
using test::get_many;
using test::inbox_of;
using test::Owned;
using test::put;
using test::put_all;
using test::tick;

const ClassIndex kClass = class_of(1000);  // 64 blocks a slab
constexpr uint32_t kSlab = 64;

class CacheListTest : public test::FrontTest {
 protected:
  // Nothing of an earlier test can be adopted.
  void SetUp() override { ASSERT_EQ(cache_list().adoptable(kClass), 0); }
  void TearDown() override {
    cache_list().drain_parked();
    cache_list().for_each([](ThreadCache& cache) { cache.release_kept_slabs(ThreadCache::KeptSlabs::kAll); });
    FrontTest::TearDown();
  }
};

// Leaves with `kept` blocks of kClass in the program's hands, of as many slabs.
std::vector<void*> leave_with_one_block_a_slab(Owned& cache, uint32_t slabs) {
  std::vector<void*> kept;
  std::vector<void*> blocks = get_many(*cache, kClass, slabs * kSlab);
  std::set<const Slab*> seen;
  for (void* block : blocks) {
    if (seen.insert(registry().slot_of(address_of(block))->head()).second && kept.size() < slabs) {
      kept.push_back(block);
    } else {
      put(*cache, block);
    }
  }
  cache.leave();
  return kept;
}

TEST_F(CacheListTest, CachesAreFoundByIdAndKeepIt) {
  std::vector<std::unique_ptr<Owned>> caches;
  std::set<uint32_t> ids;
  for (uint32_t i = 0; i < 20; ++i) {
    caches.push_back(std::make_unique<Owned>());
    ThreadCache& cache = **caches.back();
    EXPECT_TRUE(ids.insert(cache.id().count()).second);
    EXPECT_EQ(cache_list().find(cache.id()), &cache);
    EXPECT_EQ(cache.tag, make_tag(cache.id(), ClassIndex(0)));
  }
  EXPECT_EQ(cache_list().find(kNoOwner), nullptr);
  EXPECT_EQ(cache_list().find(OwnerId(cache_list().count() + 1)), nullptr);
  EXPECT_EQ(cache_list().find(OwnerId(kOwnerMax)), nullptr);
  EXPECT_EQ(cache_list().find(kInteriorOwner), nullptr);
  EXPECT_EQ(cache_list().find(kConstantOwner), nullptr);
  uint32_t visited = 0;
  cache_list().for_each([&visited](ThreadCache&) { ++visited; });
  EXPECT_EQ(visited, cache_list().count());
}

TEST_F(CacheListTest, AParkedCacheIsTakenOverBeforeANewOneIsMade) {
  Owned first;
  const uint32_t parked = cache_list().parked();
  ThreadCache* cache = first.leave();
  EXPECT_EQ(cache_list().parked(), parked + 1);
  EXPECT_TRUE(cache->parked());
  const uint32_t count = cache_list().count();
  Owned next;
  EXPECT_EQ(&*next, cache);
  EXPECT_FALSE(cache->parked());
  EXPECT_EQ(cache_list().parked(), parked);
  EXPECT_EQ(cache_list().count(), count);
}

TEST_F(CacheListTest, ASuccessorUsesTheSlabsItTookOver) {
  Owned first;
  const std::vector<void*> kept = leave_with_one_block_a_slab(first, 3);
  EXPECT_EQ(cache_list().adoptable(kClass), 3);
  Owned next;
  EXPECT_EQ(cache_list().adoptable(kClass), 0) << "a live cache's slabs are its own";
  const uint64_t acquires = pool().stats().acquires;
  std::vector<void*> blocks = get_many(*next, kClass, 3 * kSlab - 3);
  EXPECT_EQ(pool().stats().acquires, acquires);
  put_all(*next, blocks);
  for (void* block : kept) put(*next, block);
}

TEST_F(CacheListTest, PartlyFreeSlabsOfAParkedCacheAreAdopted) {
  Owned adopter;
  Owned first;
  const std::vector<void*> kept = leave_with_one_block_a_slab(first, 4);
  ASSERT_EQ(cache_list().adoptable(kClass), 4);
  const uint64_t adopted = adopter->stats().slabs_adopted.get();
  const uint64_t acquired = adopter->stats().slabs_acquired.get();
  std::vector<void*> blocks = get_many(*adopter, kClass, 4 * kSlab - 4);
  EXPECT_EQ(adopter->stats().slabs_adopted.get(), adopted + 4);
  EXPECT_EQ(adopter->stats().slabs_acquired.get(), acquired);
  EXPECT_EQ(cache_list().adoptable(kClass), 0);
  for (void* block : kept) {
    EXPECT_EQ(tag_owner(registry().tag_of(address_of(block))), adopter->id());
    put(*adopter, block);
  }
  put_all(*adopter, blocks);
}

TEST_F(CacheListTest, NothingIsAdoptedFromALiveCacheOrABusyOne) {
  Owned adopter;
  Owned other;
  std::vector<void*> blocks = get_many(*other, kClass, 2 * kSlab);
  EXPECT_FALSE(cache_list().adopt(kClass, &*adopter));
  put_all(*other, blocks);
  const std::vector<void*> kept = leave_with_one_block_a_slab(other, 1);
  ThreadCache* parked = cache_list().find(tag_owner(registry().tag_of(address_of(kept[0]))));
  {
    const test::HeldElsewhere busy(parked->lock());
    EXPECT_FALSE(cache_list().adopt(kClass, &*adopter));
  }
  EXPECT_EQ(tag_owner(registry().tag_of(address_of(kept[0]))), parked->id());
  EXPECT_TRUE(cache_list().adopt(kClass, &*adopter));
  EXPECT_EQ(tag_owner(registry().tag_of(address_of(kept[0]))), adopter->id());
  put(*adopter, kept[0]);
}

// The block was sent to the owner its sender knew; its slab had another one when it arrived.
TEST_F(CacheListTest, BlocksOfAdoptedSlabsAreForwarded) {
  for (const bool taken_over : {false, true}) {
    Owned adopter;
    Owned sender;
    Owned first;
    ThreadCache* former = &*first;
    const std::vector<void*> kept = leave_with_one_block_a_slab(first, 1);
    put(*sender, kept[0]);  // in a message for the parked cache
    std::vector<void*> blocks = get_many(*adopter, kClass, kSlab - 1);
    ASSERT_EQ(tag_owner(registry().tag_of(address_of(kept[0]))), adopter->id());
    if (taken_over) {
      Owned next;
      ASSERT_EQ(&*next, former);
      tick(*sender);
      ASSERT_TRUE(inbox_of(*former).has_mail());
      tick(*next);  // receives, and passes on what is not its own
      tick(*next);
      EXPECT_TRUE(inbox_of(*adopter).has_mail());
      EXPECT_EQ(live(), blocks.size());
      tick(*adopter);
    } else {
      tick(*sender);  // nobody is at home: the sender puts it where it belongs
      EXPECT_FALSE(inbox_of(*adopter).has_mail());
    }
    EXPECT_FALSE(inbox_of(*former).has_mail());
    EXPECT_EQ(live(), blocks.size());
    put_all(*adopter, blocks);
    EXPECT_EQ(live(), 0U);
  }
}

// Wherever a tick falls while mail is read, the fence it sets does not hide what came.
TEST_F(CacheListTest, ATickInTheMiddleOfMailLosesNothing) {
  for (uint32_t slow_paths = 0; slow_paths < 4; ++slow_paths) {
    Owned adopter;
    Owned sender;
    Owned first;
    ThreadCache* former = &*first;
    const std::vector<void*> kept = leave_with_one_block_a_slab(first, 2);
    const Slab* next_to_go = former->slabs_with_free_blocks(kClass).first();
    const bool is_first = registry().slot_of(address_of(kept[0]))->head() == next_to_go;
    void* own = kept[is_first ? 1 : 0];
    void* stray = kept[is_first ? 0 : 1];
    put(*sender, own);
    put(*sender, stray);
    ASSERT_TRUE(cache_list().adopt(kClass, &*adopter));
    ASSERT_EQ(tag_owner(registry().tag_of(address_of(stray))), adopter->id());
    ASSERT_EQ(tag_owner(registry().tag_of(address_of(own))), former->id());
    Owned next;
    ASSERT_EQ(&*next, former);
    tick(*sender);
    test::tick_after(*next, slow_paths);
    bool zero = false;
    void* block = next->allocate(kClass, &zero);
    EXPECT_EQ(block, own) << "the mail had one";
    EXPECT_EQ(live(), 1U) << slow_paths;
    put(*next, block);
  }
}

TEST_F(CacheListTest, MailThatASenderCouldNotDrainWaitsForTheNextWhoCan) {
  Owned sender;
  Owned first;
  ThreadCache* parked = &*first;
  const std::vector<void*> kept = leave_with_one_block_a_slab(first, 5);
  for (void* block : kept) put(*sender, block);
  {
    const test::HeldElsewhere at_work(parked->lock());
    tick(*sender);
    EXPECT_TRUE(inbox_of(*parked).has_mail());
  }
  EXPECT_EQ(cache_list().adoptable(kClass), 5);
  cache_list().drain_parked();
  EXPECT_FALSE(inbox_of(*parked).has_mail());
  EXPECT_EQ(cache_list().adoptable(kClass), 0) << "a parked cache keeps no empty slab";
}

TEST_F(CacheListTest, MailForAParkedCacheIsDrainedByItsSender) {
  Owned sender;
  Owned first;
  ThreadCache* parked = &*first;
  const std::vector<void*> kept = leave_with_one_block_a_slab(first, 2);
  put(*sender, kept[0]);
  tick(*sender);
  EXPECT_FALSE(inbox_of(*parked).has_mail());
  EXPECT_EQ(cache_list().adoptable(kClass), 1);
  put(*sender, kept[1]);
}

TEST_F(CacheListTest, TheNextThreadFindsTheKeptSlabOfTheOneBefore) {
  Owned first;
  std::vector<void*> blocks = get_many(*first, kClass, 3);
  put_all(*first, blocks);
  ThreadCache* parked = first.exit();
  EXPECT_FALSE(parked->retired());
  EXPECT_EQ(depth_of(*parked, kClass), 0U) << "a slab that may be adopted has no block on a stack";
  const uint64_t acquires = pool().stats().acquires;
  Owned next;
  ASSERT_EQ(&*next, parked);
  put(*next, get(*next, kClass));
  EXPECT_EQ(pool().stats().acquires, acquires);
}

TEST_F(CacheListTest, ParkedCachesAreRetiredWhenTheirTimeHasCome) {
  Owned first;
  Owned second;
  for (Owned* owned : {&first, &second}) put(**owned, get(**owned, kClass));
  ThreadCache* parked[] = {first.exit(), second.exit()};
  EXPECT_EQ(cache_list().adoptable(kClass), 2);
  const Milliseconds since = parked[0]->parked_since;
  cache_list().retire_parked(since - Milliseconds(1), 100);
  EXPECT_EQ(cache_list().adoptable(kClass), 2) << "not yet";
  parked[1]->parked_since = since;
  cache_list().retire_parked(since, 1);
  EXPECT_EQ(cache_list().adoptable(kClass), 1) << "one at a time";
  cache_list().retire_parked(since, 100);
  EXPECT_EQ(cache_list().adoptable(kClass), 0);
  for (ThreadCache* cache : parked) EXPECT_TRUE(cache->retired());
  cache_list().retire_parked(since, 100);  // nobody is left
}

TEST_F(CacheListTest, MailSentWhileAParkedCacheRetiresIsNotForgotten) {
  Owned sender;
  Owned first;
  ThreadCache* parked = &*first;
  std::vector<void*> kept = get_many(*first, kClass, 1);
  first.exit();
  put(*sender, kept[0]);
  {
    const test::HeldElsewhere at_work(parked->lock());
    sender->trim();
    ASSERT_TRUE(inbox_of(*parked).has_mail());
  }
  cache_list().retire_parked(parked->parked_since, 100);
  cache_list().drain_parked();
  EXPECT_FALSE(inbox_of(*parked).has_mail());
  EXPECT_EQ(cache_list().adoptable(kClass), 0);
}

TEST_F(CacheListTest, AThreadWithoutACacheGetsAParkedOne) {
  std::vector<std::unique_ptr<Owned>> all;
  while (cache_list().parked() != 0) all.push_back(std::make_unique<Owned>());
  ThreadCache* cache = cache_list().any_parked();
  ASSERT_NE(cache, nullptr);
  EXPECT_TRUE(cache->parked());
  EXPECT_EQ(cache_list().parked(), 1U);
  EXPECT_EQ(cache_list().any_parked(), cache) << "it stays on the list";
}

// The top of each stack and the end of each open message: what a vanished owner may not have
// finished writing.
std::set<void*> unfinished(ThreadCache& cache) {
  std::set<void*> blocks;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassIndex c(i);
    const auto& state = test::class_state(cache, c);
    const uint32_t depth = depth_of(cache, c);
    if (depth != 0) blocks.insert(depth == state.fence ? state.fenced_block : state.bottom[depth]);
  }
  for (const Message* message : cache.open) {
    if (message->count != 0) blocks.insert(message->blocks[message->count - 1]);
  }
  return blocks;
}

TEST_F(CacheListTest, AnOrphanIsSettledBeforeItIsUsed) {
  for (const bool by_drain : {false, true}) {
    Owned receiver;
    Owned doomed;
    std::vector<void*> remote = get_many(*receiver, kClass, 53);
    for (const size_t size : {32u, 1000u, 9000u}) {
      std::vector<void*> blocks = get_many(*doomed, class_of(size), 12);
      put_all(*doomed, blocks);
    }
    tick(*doomed);  // with fences
    put_all(*doomed, remote);
    ASSERT_EQ(live(), 0U);
    const std::set<void*> given_up = unfinished(*doomed);
    ASSERT_EQ(given_up.size(), 4U);
    ThreadCache* orphan = doomed.vanish();
    EXPECT_TRUE(orphan->is_orphan());
    if (by_drain) {
      cache_list().drain_parked();
    } else {
      const Owned next;
    }
    EXPECT_FALSE(orphan->is_orphan());
    EXPECT_EQ(orphan->cached_bytes(), Bytes(0));
    EXPECT_EQ(live(), given_up.size()) << "all but those came back";
    for (void* block : given_up) ThreadCache::return_home(block);
  }
}

TEST_F(CacheListTest, MailThatCouldNotBeDrainedIsRemembered) {
  Owned sender;
  Owned first;
  void* block = get(*first, kClass);
  ThreadCache* parked = first.leave();
  cache_list().drain_mail();
  {
    const test::HeldElsewhere busy(parked->lock());
    put(*sender, block);
    tick(*sender);             // the sender cannot drain it, and says so
    cache_list().drain_mail();  // nor can this
    ASSERT_TRUE(parked->has_mail());
  }
  cache_list().drain_mail();
  EXPECT_FALSE(parked->has_mail());
  EXPECT_EQ(live(), 0U);
}

TEST_F(CacheListTest, AHalfWrittenTopIsNotTrusted) {
  Owned doomed;
  std::vector<void*> blocks = get_many(*doomed, kClass, 3);
  put_all(*doomed, blocks);
  const uint32_t depth = depth_of(*doomed, kClass);
  ASSERT_GE(depth, 2U);
  void* lost = doomed->tops[kClass.count()][-1];
  doomed->tops[kClass.count()][-1] = this;  // the entry was not written yet
  doomed.vanish();
  { const Owned next; }
  EXPECT_EQ(live(), 1U);
  ThreadCache::return_home(lost);
}

TEST_F(CacheListTest, AForkLeavesAllCachesParkedButTheForkersOwn) {
  Owned mine;
  Owned other;
  std::vector<void*> blocks = get_many(*other, kClass, 3);
  const std::set<void*> given_up = unfinished(*other);
  const uint32_t count = cache_list().count();
  ThreadCache* orphan = other.vanish();
  EXPECT_EQ(cache_list().parked(), count - 1);
  EXPECT_FALSE(mine->parked());
  EXPECT_TRUE(orphan->parked());
  EXPECT_TRUE(orphan->is_orphan());
  EXPECT_EQ(orphan->owner_thread(), 0U);
  EXPECT_EQ(cache_list().adoptable(kClass), 1);
  cache_list().drain_parked();
  EXPECT_FALSE(orphan->is_orphan());
  EXPECT_EQ(live(), blocks.size() + given_up.size());
  for (void* block : blocks) ThreadCache::return_home(block);
  for (void* block : given_up) ThreadCache::return_home(block);
}

}  // namespace
}  // namespace hakmem
