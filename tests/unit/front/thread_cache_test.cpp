// Refill and flush, slabs that come and go, and messages between caches driven by one thread.
#include "front/thread_cache.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <vector>

#include "unit/front/cache_access.h"
#include "unit/front/front_check.h"

namespace hakmem {
namespace {

using test::address_of;
using test::capacity_of;
using test::depth_of;
using test::get;
using test::get_many;
using test::inbox_of;
using test::Owned;
using test::put;
using test::put_all;
using test::tick;

const ClassIndex kClass = class_of(256);
constexpr uint32_t kMessage = Message::kCapacity;

class ThreadCacheTest : public test::FrontTest {};

uint32_t waiting(ThreadCache& cache) {
  uint32_t messages = 0;
  for (const Message* m = inbox_of(cache).peek(); m != nullptr; m = m->next) ++messages;
  return messages;
}

TEST_F(ThreadCacheTest, RefillsTakeTheLowestFreeBlocksLowestFirst) {
  Owned cache;
  std::vector<void*> blocks = get_many(*cache, kClass, 100);
  const Slab* slab = registry().slot_of(address_of(blocks[0]))->head();
  ASSERT_EQ(address_of(blocks[0]), slab->block_address(slab->start_word * 64u));
  for (size_t i = 1; i < 60; ++i) EXPECT_EQ(address_of(blocks[i]), address_of(blocks[i - 1]) + 256);
  put_all(*cache, blocks);
}

TEST_F(ThreadCacheTest, AFlushReturnsTheOldestAndKeepsTheYoungest) {
  Owned cache;
  std::vector<void*> blocks = get_many(*cache, kClass, 64);
  while (depth_of(*cache, kClass) != 0) blocks.push_back(get(*cache, kClass));
  const uint32_t capacity = capacity_of(*cache, kClass);
  ASSERT_GT(blocks.size(), capacity);
  const uint64_t flushes = cache->stats().flushes.get();
  for (uint32_t i = 0; i <= capacity; ++i) put(*cache, blocks[i]);
  EXPECT_EQ(cache->stats().flushes.get(), flushes + 1);
  EXPECT_EQ(depth_of(*cache, kClass), capacity / 2 + 1);
  // Last in, first out, down to the oldest that stayed.
  for (uint32_t i = 0; i <= capacity / 2; ++i) EXPECT_EQ(get(*cache, kClass), blocks[capacity - i]);
  EXPECT_EQ(depth_of(*cache, kClass), 0U);
  for (uint32_t i = 0; i <= capacity; ++i) {
    const Slab* slab = registry().slot_of(address_of(blocks[i]))->head();
    const bool home = block_is_free(*slab, block_starting_at(*slab, address_of(blocks[i])));
    EXPECT_EQ(home, i < capacity - capacity / 2) << i;
  }
  for (size_t i = capacity - capacity / 2; i < blocks.size(); ++i) put(*cache, blocks[i]);
}

TEST_F(ThreadCacheTest, OneEmptySlabOfAClassStaysUntilATickFindsItUnused) {
  Owned cache;
  const uint64_t active = pool().stats().active_slots;
  const ClassIndex c = class_of(8192);  // 8 blocks a slab
  std::vector<void*> blocks = get_many(*cache, c, 80);
  EXPECT_GE(pool().stats().active_slots, active + 10);
  for (void* block : blocks) ThreadCache::return_home(block);
  while (depth_of(*cache, c) != 0) ThreadCache::return_home(cache->pop(c));
  EXPECT_EQ(pool().stats().active_slots, active + 1);
  tick(*cache);  // it was refilled since the last one
  EXPECT_EQ(pool().stats().active_slots, active + 1);
  tick(*cache);
  EXPECT_EQ(pool().stats().active_slots, active);
}

TEST_F(ThreadCacheTest, LargeBlocksChangeHandsInsteadOfTravelling) {
  Owned a;
  Owned b;
  const ClassIndex c = class_of(40'000);
  void* block = get(*a, c);
  put(*b, block);
  EXPECT_EQ(tag_owner(registry().tag_of(address_of(block))), b->id());
  EXPECT_EQ(b->pop(c), block);
  EXPECT_FALSE(inbox_of(*a).has_mail());
  put(*a, block);
  EXPECT_EQ(tag_owner(registry().tag_of(address_of(block))), a->id());
}

TEST_F(ThreadCacheTest, AMessageLeavesWhenItIsFullOrOnATick) {
  Owned a;
  Owned b;
  std::vector<void*> blocks = get_many(*a, kClass, kMessage + 1);
  for (uint32_t i = 0; i < kMessage - 1; ++i) put(*b, blocks[i]);
  EXPECT_FALSE(inbox_of(*a).has_mail());
  put(*b, blocks[kMessage - 1]);
  EXPECT_EQ(waiting(*a), 1U);
  put(*b, blocks[kMessage]);
  EXPECT_EQ(waiting(*a), 1U);
  tick(*b);
  EXPECT_EQ(waiting(*a), 2U);
  EXPECT_EQ(live(), 0U) << "blocks on their way are not live";
  tick(*a);
  EXPECT_EQ(waiting(*a), 0U);
}

TEST_F(ThreadCacheTest, MailIsTakenWhenAStackIsEmpty) {
  Owned a;
  Owned b;
  std::vector<void*> blocks = get_many(*a, kClass, kMessage);
  while (depth_of(*a, kClass) != 0) blocks.push_back(get(*a, kClass));
  const std::set<void*> sent(blocks.begin(), blocks.begin() + kMessage);
  for (void* block : sent) put(*b, block);
  const uint64_t refills = a->stats().refills.get();
  const uint64_t received = a->stats().messages_received.get();
  void* block = get(*a, kClass);
  EXPECT_TRUE(sent.contains(block)) << "a block that came back, not a fresh one";
  EXPECT_EQ(a->stats().refills.get(), refills);
  EXPECT_EQ(a->stats().messages_received.get(), received + 1);
  put(*a, block);
  for (size_t i = kMessage; i < blocks.size(); ++i) put(*a, blocks[i]);
}

TEST_F(ThreadCacheTest, AnOpenMessageGivesWayToAnotherOwner) {
  Owned a;
  Owned sender;
  // Nine owners more than there are open messages: at least two share a place.
  std::array<Owned, 9> others;
  std::vector<void*> blocks;
  for (Owned& other : others) blocks.push_back(get(*other, kClass));
  for (void* block : blocks) put(*sender, block);
  uint32_t arrived = 0;
  for (Owned& other : others) arrived += waiting(*other);
  EXPECT_GE(arrived, 1U);
  EXPECT_EQ(live(), 0U);
  tick(*sender);
  for (Owned& other : others) EXPECT_EQ(waiting(*other), 1U);
}

// b frees `count` blocks of a's, in as many messages, and a takes them all.
void free_for(ThreadCache& a, ThreadCache& b, uint32_t count) {
  for (void* block : get_many(a, kClass, count)) {
    put(b, block);
    tick(b);
  }
  ASSERT_EQ(waiting(a), count);
  tick(a);
  ASSERT_EQ(waiting(a), 0U);
}

TEST_F(ThreadCacheTest, NodesThatCameInGoOutAgainWithoutALock) {
  Owned a;
  Owned b;
  // Their slabs stay, and need no new bitmaps; and soon their stacks have stopped to grow.
  std::vector<void*> held = {get(*a, kClass), get(*b, kClass)};
  for (uint32_t round = 0; round < 10; ++round) {
    free_for(*a, *b, 8);
    free_for(*b, *a, 8);
  }
  const uint64_t locks = meta_arena().lock().stats().acquired.get();
  for (uint32_t round = 0; round < 10; ++round) {
    free_for(*a, *b, 8);
    free_for(*b, *a, 8);
  }
  EXPECT_EQ(meta_arena().lock().stats().acquired.get(), locks);
  put(*a, held[0]);
  put(*b, held[1]);
}

TEST_F(ThreadCacheTest, SpareNodesAreFewAndGoWithATrim) {
  constexpr uint32_t kSpareMax = 64;
  Owned a;
  Owned b;
  void* held = get(*a, kClass);  // so that its slab stays, and with it the slab's bitmap
  free_for(*a, *b, 2 * kSpareMax);
  a->trim();
  const Bytes before = meta_arena().stats().in_use;
  free_for(*a, *b, kSpareMax + 20);
  EXPECT_EQ(meta_arena().stats().in_use, before + Bytes(kSpareMax * sizeof(Message)));
  a->trim();
  EXPECT_EQ(meta_arena().stats().in_use, before);
  put(*a, held);
}

TEST_F(ThreadCacheTest, AnOrphansSpareNodesGoHome) {
  Owned a;
  Owned b;
  free_for(*a, *b, 3);
  a.vanish();
  const Bytes before = meta_arena().stats().in_use;
  Owned next;  // whichever cache it takes over, the orphan is settled before
  EXPECT_LE(meta_arena().stats().in_use, before - Bytes(3 * sizeof(Message)));
  forgive(1);  // the topmost entry of its stack
}

// Whose inbox has more than 256 messages, or more than 4 MiB of blocks, sleeps.
TEST_F(ThreadCacheTest, ACrowdedInboxIsDrainedByItsSender) {
  struct Case {
    size_t size;
    uint32_t messages_before;
  };
  for (const auto& [size, messages] : {Case{16, 256}, Case{256, 128}, Case{9216, 3}}) {
    Owned sleeper;
    Owned sender;
    std::vector<void*> blocks = get_many(*sleeper, class_of(size), kMessage * (messages + 1));
    for (uint32_t i = 0; i < kMessage * messages; ++i) put(*sender, blocks[i]);
    tick(*sender);
    ASSERT_EQ(waiting(*sleeper), messages) << size;
    for (uint32_t i = kMessage * messages; i < blocks.size(); ++i) put(*sender, blocks[i]);
    EXPECT_EQ(waiting(*sleeper), 0U) << size;
    EXPECT_EQ(live(), 0U);
  }
}

TEST_F(ThreadCacheTest, ACrowdedInboxStaysWhileItsOwnerIsAtWork) {
  Owned sleeper;
  Owned sender;
  std::vector<void*> blocks = get_many(*sleeper, class_of(9216), kMessage * 18);
  {
    const test::HeldElsewhere at_work(sleeper->lock());
    put_all(*sender, blocks);
    EXPECT_EQ(waiting(*sleeper), 18U);
    EXPECT_EQ(sleeper->drain_inbox(false), nullptr);
    EXPECT_EQ(waiting(*sleeper), 18U);
  }
  EXPECT_EQ(sleeper->drain_inbox(true), nullptr) << "there are no strays";
  EXPECT_EQ(waiting(*sleeper), 0U);
  EXPECT_EQ(live(), 0U);
}

void send_one_message(ThreadCache& sender, ThreadCache& owner) {
  std::vector<void*> blocks = get_many(owner, kClass, 3);
  put_all(sender, blocks);
  sender.trim();
  ASSERT_EQ(waiting(owner), 1U);
}

TEST_F(ThreadCacheTest, WhoGivesUpAllTakesItsMail) {
  Owned owner;
  Owned sender;
  send_one_message(*sender, *owner);
  owner->trim();
  EXPECT_EQ(waiting(*owner), 0U);
  EXPECT_EQ(live(), 0U);
}

TEST_F(ThreadCacheTest, MailThatLiesIsDrainedAtTheSecondLook) {
  Owned owner;
  Owned sender;
  send_one_message(*sender, *owner);
  EXPECT_EQ(owner->drain_stale_inbox(), nullptr);
  EXPECT_EQ(waiting(*owner), 1U);
  EXPECT_EQ(owner->drain_stale_inbox(), nullptr);
  EXPECT_EQ(waiting(*owner), 0U);
}

TEST_F(ThreadCacheTest, ReturnedAndBorrowedBlocksGoPastTheStacks) {
  Owned cache;
  std::vector<void*> blocks = get_many(*cache, kClass, 10);
  const uint32_t depth = depth_of(*cache, kClass);
  for (void* block : blocks) ThreadCache::return_home(block);
  EXPECT_EQ(depth_of(*cache, kClass), depth);
  EXPECT_EQ(live(), 0U);
  bool zero = false;
  void* small = cache->borrow_block(kClass, &zero);
  void* large = cache->borrow_block(class_of(70'000), &zero);
  ASSERT_NE(small, nullptr);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(depth_of(*cache, kClass), depth);
  EXPECT_EQ(live(), 2U);
  ThreadCache::return_home(small);
  ThreadCache::return_home(large);
}

TEST_F(ThreadCacheTest, ACacheThatHasNothingLendsFromANewSlab) {
  Owned cache;
  bool zero = false;
  std::set<void*> lent;
  const uint32_t wanted = 2 * class_info(kClass).blocks + 1;  // it may have kept one slab
  for (uint32_t i = 0; i < wanted; ++i) {
    void* block = cache->borrow_block(kClass, &zero);
    ASSERT_NE(block, nullptr) << i;
    lent.insert(block);
  }
  EXPECT_EQ(lent.size(), wanted);
  EXPECT_EQ(live(), wanted);
  for (void* block : lent) ThreadCache::return_home(block);
  EXPECT_EQ(live(), 0U);
}

TEST_F(ThreadCacheTest, AlignmentAboveASlotIsAnArgumentOfAcquire) {
  Owned cache;
  for (uint32_t slots = 1; slots <= 32; slots *= 2) {
    bool zero = false;
    void* block = cache->allocate_aligned(class_of(40'000), SlotCount(slots), &zero);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(address_of(block) % (size_t{slots} << kSlotShift), 0U);
    put(*cache, block);
  }
}

TEST_F(ThreadCacheTest, NoticesAndRoundsAreTakenOnce) {
  Owned cache;
  cache->take_tick_notice();
  EXPECT_FALSE(cache->take_tick_notice());
  tick(*cache);
  EXPECT_TRUE(cache->take_tick_notice());
  EXPECT_FALSE(cache->take_tick_notice());
  EXPECT_TRUE(cache->take_exit_round());
  EXPECT_FALSE(cache->take_exit_round());
}

struct Op {
  uint32_t what;
  uint32_t actor;
  uint32_t size;
  uint32_t count;
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << "{" << op.what << "," << op.actor << "," << op.size << "," << op.count << "}";
}

// Three threads' work in any order: allocate, free anybody's, tick, sleep, exit and start.
TEST_F(ThreadCacheTest, RandomLivesOfThreeCachesLoseNoBlock) {
  EXPECT_TRUE(rc::check("exchange of blocks", [this] {
    const auto ops = *rc::gen::container<std::vector<Op>>(rc::gen::construct<Op>(
        rc::gen::inRange<uint32_t>(0, 16), rc::gen::inRange<uint32_t>(0, 3),
        rc::gen::inRange<uint32_t>(0, 4), rc::gen::inRange<uint32_t>(1, 200)));
    std::array<std::unique_ptr<Owned>, 3> caches;
    for (auto& cache : caches) cache = std::make_unique<Owned>();
    std::vector<void*> held;
    test::Random random(ops.size());
    for (const Op& op : ops) {
      ThreadCache& cache = **caches[op.actor];
      const ClassIndex c = class_of(size_t{100} << op.size * 3);
      const uint32_t count = op.size < 3 ? op.count : op.count % 8;
      if (op.what < 6) {
        for (uint32_t i = 0; i < count; ++i) held.push_back(get(cache, c));
      } else if (op.what < 12) {
        for (uint32_t i = 0; i < op.count && !held.empty(); ++i) {
          std::swap(held[random.below(held.size())], held.back());
          put(cache, held.back());
          held.pop_back();
        }
      } else if (op.what == 12) {
        tick(cache);
      } else if (op.what == 13) {
        cache.trim();
      } else if (op.what == 14) {
        caches[op.actor]->leave();
        caches[op.actor] = std::make_unique<Owned>();
      } else {
        cache_list().drain_parked();
      }
      RC_ASSERT(live() == held.size());
    }
    for (void* block : held) ThreadCache::return_home(block);
    RC_ASSERT(std::set<void*>(held.begin(), held.end()).size() == held.size());
  }));
}

}  // namespace
}  // namespace hakmem
