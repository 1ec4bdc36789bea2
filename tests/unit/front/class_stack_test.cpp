// The life of one class's stack: fences, growth, shrinking, the budget.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <unistd.h>

#include <set>
#include <vector>

#include "unit/front/cache_access.h"
#include "unit/front/front_check.h"

namespace hakmem {
namespace {

using test::capacity_of;
using test::class_state;
using test::depth_of;
using test::get;
using test::get_many;
using test::Owned;
using test::put;
using test::put_all;
using test::tick;

constexpr ClassIndex kClass(3);  // 64 bytes
constexpr uint32_t kInitialCapacity = short_entries(kClass);

class ClassStack : public test::FrontTest {};

// Exactly `depth` blocks on the stack, and none of the class in the program's hands.
void fill_to(ThreadCache& cache, ClassIndex c, uint32_t depth) {
  std::vector<void*> blocks = get_many(cache, c, depth == 0 ? 1 : depth);
  while (depth_of(cache, c) != 0) blocks.push_back(get(cache, c));
  for (size_t i = 0; i < blocks.size(); ++i) {
    i < depth ? put(cache, blocks[i]) : ThreadCache::return_home(blocks[i]);
  }
  ASSERT_EQ(depth_of(cache, c), depth);
}

std::set<void*> cached_blocks(ThreadCache& cache) {
  std::set<void*> blocks;
  cache.visit_cached(&blocks, [](void* set, const void* block, OwnerId, ThreadCache::CachedWhere) {
    static_cast<std::set<void*>*>(set)->insert(const_cast<void*>(block));
  });
  return blocks;
}

TEST_F(ClassStack, ATickHidesNothingForGood) {
  for (uint32_t depth = 0; depth <= kInitialCapacity; ++depth) {
    Owned cache;
    fill_to(*cache, kClass, depth);
    ASSERT_EQ(cached_blocks(*cache).size(), depth);
    tick(*cache);
    const std::set<void*> on_stack = cached_blocks(*cache);
    ASSERT_EQ(on_stack.size(), depth_of(*cache, kClass));
    EXPECT_EQ(cache->pop(kClass), nullptr) << "the fence stands on top";
    std::vector<void*> blocks;
    while (depth_of(*cache, kClass) != 0) blocks.push_back(get(*cache, kClass));
    EXPECT_EQ(blocks.size(), on_stack.size());
    EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()), on_stack) << depth;
    put_all(*cache, blocks);
  }
}

TEST_F(ClassStack, EachTickSendsHalfOfTheIdleEntriesHome) {
  Owned cache;
  fill_to(*cache, kClass, kInitialCapacity);
  tick(*cache);
  uint32_t last = depth_of(*cache, kClass);
  ASSERT_GE(last, 7U);
  for (uint32_t i = 0; i < 6; ++i) {
    tick(*cache);
    EXPECT_EQ(depth_of(*cache, kClass), last - (last + 1) / 2);
    EXPECT_EQ(live(), 0U);
    last = depth_of(*cache, kClass);
  }
  EXPECT_EQ(last, 0U);
}

TEST_F(ClassStack, WhatWasNeededBetweenTwoTicksIsNotIdle) {
  Owned cache;
  fill_to(*cache, kClass, kInitialCapacity);
  tick(*cache);
  const uint32_t depth = depth_of(*cache, kClass);
  ASSERT_GE(depth, 7U);
  // All but two are taken and brought back: no more than half of those two may go.
  std::vector<void*> blocks = get_many(*cache, kClass, depth - 2);
  put_all(*cache, blocks);
  ASSERT_EQ(depth_of(*cache, kClass), depth);
  tick(*cache);
  EXPECT_GE(depth_of(*cache, kClass), depth - 1);
}

TEST_F(ClassStack, GrowsWhenAFlushIsFollowedByARefill) {
  Owned cache;
  uint32_t last = 0;
  // More at once than the stack holds, again and again.
  for (uint32_t round = 0; round < 12; ++round) {
    std::vector<void*> blocks = get_many(*cache, kClass, 5000);
    put_all(*cache, blocks);
    const uint32_t capacity = capacity_of(*cache, kClass);
    EXPECT_GE(capacity, last);
    last = capacity;
  }
  EXPECT_EQ(last, kEntriesMax);
  EXPECT_EQ(live(), 0U);
}

TEST_F(ClassStack, NoStackGrowsBeyondItsBytes) {
  for (const size_t size : {size_t{16}, size_t{1024}, size_t{16} << 10, size_t{300} << 10}) {
    Owned cache;
    const ClassIndex c = class_of(size);
    for (uint32_t round = 0; round < 12; ++round) {
      std::vector<void*> blocks =
          get_many(*cache, c, 64 + static_cast<uint32_t>((4u << 20) / size) * 2);
      put_all(*cache, blocks);
    }
    const size_t bytes = capacity_of(*cache, c) * block_bytes(c).count();
    EXPECT_LE(bytes, size_t{4} << 20) << size;
    EXPECT_LE(capacity_of(*cache, c), kEntriesMax);
  }
}

TEST_F(ClassStack, WhatWasGrantedIsHandedBackByIdleTicks) {
  Owned cache;
  const Bytes granted = budget().granted();
  std::vector<void*> start = get_many(*cache, kClass, 1);
  put_all(*cache, start);
  EXPECT_EQ(budget().granted(), granted) << "the first entries are free of charge";
  for (uint32_t round = 0; round < 10; ++round) {
    std::vector<void*> blocks = get_many(*cache, kClass, 3000);
    put_all(*cache, blocks);
  }
  const uint32_t extra = capacity_of(*cache, kClass) - kInitialCapacity;
  EXPECT_EQ(budget().granted() - granted, Bytes(extra * block_bytes(kClass).count()));
  for (uint32_t i = 0; i < 40; ++i) tick(*cache);
  EXPECT_EQ(capacity_of(*cache, kClass), kInitialCapacity);
  EXPECT_EQ(budget().granted(), granted);
  EXPECT_EQ(depth_of(*cache, kClass), 0U);
}

TEST_F(ClassStack, TheBudgetIsNeverExceeded) {
  const test::ScopedConfig tight([](Config& c) { c.cache_limit_bytes = 64 << 10; });
  Owned first;
  Owned second;
  const Bytes granted = budget().granted();
  ASSERT_EQ(granted, Bytes(0)) << "no other cache is alive";
  for (uint32_t round = 0; round < 8; ++round) {
    for (Owned* cache : {&first, &second}) {
      for (const size_t size : {64u, 256u, 2048u}) {
        std::vector<void*> blocks = get_many(**cache, class_of(size), 1000);
        put_all(**cache, blocks);
        ASSERT_LE(budget().granted(), Bytes(64 << 10));
      }
    }
  }
  EXPECT_GT(budget().granted(), Bytes(32 << 10)) << "most of it is used";
  first->trim();
  second->trim();
  EXPECT_EQ(budget().granted(), Bytes(0));
}

TEST_F(ClassStack, TrimLeavesNoBlockAndNoSlab) {
  const uint64_t active = pool().stats().active_slots;
  Owned cache;
  for (uint32_t c = 0; c < kClasses; ++c) {
    std::vector<void*> blocks = get_many(*cache, ClassIndex(c), is_large(ClassIndex(c)) ? 3 : 100);
    put_all(*cache, blocks);
  }
  EXPECT_GT(pool().stats().active_slots, active);
  cache->trim();
  EXPECT_EQ(pool().stats().active_slots, active);
  EXPECT_EQ(cache->cached_bytes(), Bytes(0));
  for (uint32_t c = 0; c < kClasses; ++c) EXPECT_EQ(cache->pop(ClassIndex(c)), nullptr);
}

TEST_F(ClassStack, AParkedCacheHoldsNoLongPlace) {
  Owned().leave();  // now there is a parked cache that the next one takes over
  const Bytes meta = meta_arena().stats().in_use;
  Owned cache;
  for (uint32_t c = 0; c < kFirstLargeClass; ++c) {
    for (uint32_t round = 0; round < 4; ++round) {
      std::vector<void*> blocks = get_many(*cache, ClassIndex(c), 200);
      put_all(*cache, blocks);
    }
  }
  EXPECT_GT(meta_arena().stats().in_use, meta + kib(400));
  cache.leave();
  EXPECT_EQ(meta_arena().stats().in_use, meta);
}

// A signal handler interrupted a push or a pop, made the stack move, and the store of the interrupted
// line puts the top where the stack was.
TEST_F(ClassStack, ATopThatStayedBehindIsMended) {
  for (const bool pushed : {false, true}) {
    Owned cache;
    fill_to(*cache, kClass, 5);
    void** stale = cache->tops[kClass.count()];
    void* freed = get(*cache, kClass);
    std::vector<void*> blocks = get_many(*cache, kClass, 2000);
    put_all(*cache, blocks);
    blocks = get_many(*cache, kClass, 2000);
    ASSERT_GT(capacity_of(*cache, kClass), kInitialCapacity);
    put_all(*cache, blocks);

    const uint64_t on_stack = depth_of(*cache, kClass);
    ASSERT_GT(on_stack, 0U);
    if (pushed) {
      *stale = freed;
      cache->tops[kClass.count()] = stale + 1;
    } else {
      cache->tops[kClass.count()] = stale - 1;
    }
    // What was on the stack is lost, but nothing else, and nothing is given out twice.
    std::vector<void*> after = get_many(*cache, kClass, 3000);
    EXPECT_EQ(std::set<void*>(after.begin(), after.end()).size(), after.size());
    EXPECT_EQ(std::set<void*>(after.begin(), after.end()).count(freed), pushed ? 1U : 0U);
    put_all(*cache, after);
    if (!pushed) put(*cache, freed);
    EXPECT_EQ(live(), on_stack);
    forgive(on_stack);
  }
}

// As when attention is used up: the fence stands at the bottom, and there is no tripwire.
void let_hits_pass(ThreadCache& cache, ClassIndex c) {
  auto& state = class_state(cache, c);
  if (state.fence != 0) state.bottom[state.fence] = state.fenced_block;
  if (state.tripwire != 0) state.bottom[1 + state.tripwire] = nullptr;
  state.tripwire = 0;
  state.fence = 1;
  state.fenced_block = state.bottom[1];
  state.bottom[1] = nullptr;
}

// A handler of another size interrupted a pop or a push, and its slow path ticked: the deeper part of a stack that was
// in use lately stays where it is, whatever the interrupted line stores.
TEST_F(ClassStack, ATickInAHandlerGivesNothingOutTwice) {
  for (const bool pushed : {false, true}) {
    for (const uint32_t ticks_before : {0U, 1U, 3U}) {
      Owned cache;
      fill_to(*cache, kClass, kInitialCapacity - 1);
      for (uint32_t i = 0; i < ticks_before; ++i) tick(*cache);
      let_hits_pass(*cache, kClass);
      void* freed = pushed ? get(*cache, kClass) : nullptr;
      void** top = cache->tops[kClass.count()];
      void* popped = pushed ? nullptr : top[-1];
      ASSERT_TRUE(pushed || is_block(popped));
      tick(*cache);
      if (pushed) *top = freed;
      cache->tops[kClass.count()] = pushed ? top + 1 : top - 1;
      std::vector<void*> after = get_many(*cache, kClass, 200);
      const std::set<void*> distinct(after.begin(), after.end());
      EXPECT_EQ(distinct.size(), after.size()) << pushed << ticks_before;
      EXPECT_FALSE(distinct.contains(popped)) << "it is the program's";
      EXPECT_TRUE(!pushed || distinct.contains(freed));
      put_all(*cache, after);
      if (!pushed) put(*cache, popped);
      cache->trim();
      EXPECT_EQ(live(), 0U);
    }
  }
}

// The same between two ticks in which nobody touched the stack: half of it goes home, and the interrupted push puts
// the top where it was.
TEST_F(ClassStack, ATickInAHandlerLeavesNoAddressBehind) {
  Owned cache;
  fill_to(*cache, kClass, kInitialCapacity - 2);
  bool zero = false;
  void* freed = cache->borrow_block(kClass, &zero);
  tick(*cache);
  void** top = cache->tops[kClass.count()];
  tick(*cache);
  ASSERT_LT(cache->tops[kClass.count()], top) << "half of it went home";
  const uint64_t on_stack = depth_of(*cache, kClass);
  *top = freed;
  cache->tops[kClass.count()] = top + 1;
  cache->trim();  // puts each address on the stack into a bitmap, and would report one that is there twice
  EXPECT_LE(live(), on_stack);
  forgive(live());
}

// A handler met the fence and set the tripwire where the interrupted push was about to write: the push
// then stores its block over the wall.
TEST_F(ClassStack, ABlockInPlaceOfATripwireStays) {
  Owned cache;
  fill_to(*cache, kClass, 9);
  tick(*cache);  // the close watch: a fence at the top, a tripwire right above
  auto& state = class_state(*cache, kClass);
  void*& place = state.bottom[1 + state.tripwire];
  ASSERT_TRUE(state.tripwire != 0 && is_wall(place));
  void** top = cache->tops[kClass.count()];
  ASSERT_EQ(&place, top + 1) << "one push may be in flight";
  std::vector<void*> blocks;
  bool zero = false;
  for (int i = 0; i < 2; ++i) blocks.push_back(cache->borrow_block(kClass, &zero));
  top[0] = blocks[0];
  place = blocks[1];
  cache->tops[kClass.count()] = top + 2;
  std::vector<void*> all = get_many(*cache, kClass, 40);
  const std::set<void*> distinct(all.begin(), all.end());
  EXPECT_TRUE(distinct.contains(blocks[0]) && distinct.contains(blocks[1])) << "neither is lost";
  put_all(*cache, all);
}

// The same for a large block of another owner, which is put on the stack without a visit of its own.
TEST_F(ClassStack, ARemoteLargeBlockMendsTheStackItComesTo) {
  constexpr ClassIndex kLarge(kFirstLargeClass);
  Owned other;
  Owned cache;
  std::vector<void*> theirs = get_many(*other, kLarge, 4);
  for (int round = 0; round < 4; ++round) {
    std::vector<void*> blocks = get_many(*cache, kLarge, 20);
    put_all(*cache, blocks);
  }
  auto& state = class_state(*cache, kLarge);
  ASSERT_NE(state.long_place, nullptr);
  const uint64_t on_stack = depth_of(*cache, kLarge);
  // A pop that was interrupted leaves the top in the short place.
  cache->tops[kLarge.count()] = test::short_place_of(*cache, kLarge) + 1;
  put_all(*cache, theirs);
  EXPECT_EQ(live(), on_stack);
  forgive(on_stack);
}

// As above, but the stack is where it was. Entries above the true top may be given out again, yet never
// what is no block: a wall, a NULL. In a child, which the damage leaves with.
TEST_F(ClassStack, NoEndOfAStackIsGivenOutAsABlock) {
  const auto scene = [] {
    Owned cache;
    fill_to(*cache, kClass, 10);
    get_many(*cache, kClass, 8);
    tick(*cache);  // a fence and a tripwire, below and above what is left
    cache->tops[kClass.count()] = class_state(*cache, kClass).bottom + 1 + 9;
    bool sound = true;
    for (int i = 0; i < 30; ++i) {
      void* block = get(*cache, kClass);
      sound = sound && (registry().tag_of(test::address_of(block)) ^ cache->tag) == kClass.count();
    }
    _exit(sound ? 0 : 1);
  };
  EXPECT_EXIT(scene(), testing::ExitedWithCode(0), "");
}

struct Op {
  uint32_t what;
  uint32_t size;
  uint32_t count;
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << "{" << op.what << "," << op.size << "," << op.count << "}";
}

// Whatever fences, growth and trimming do: each block is in one place.
TEST_F(ClassStack, RandomLivesLoseNoBlock) {
  EXPECT_TRUE(rc::check("get, put, tick, trim", [this] {
    const auto ops = *rc::gen::container<std::vector<Op>>(
        rc::gen::construct<Op>(rc::gen::inRange<uint32_t>(0, 12), rc::gen::inRange<uint32_t>(0, 3),
                               rc::gen::inRange<uint32_t>(1, 60)));
    Owned cache;
    std::vector<void*> held;
    std::set<void*> distinct;
    for (const Op& op : ops) {
      const ClassIndex c = class_of(size_t{48} << op.size * 4);
      if (op.what < 5) {
        for (uint32_t i = 0; i < op.count; ++i) {
          held.push_back(get(*cache, c));
          RC_ASSERT(distinct.insert(held.back()).second);
        }
      } else if (op.what < 9) {
        for (uint32_t i = 0; i < op.count && !held.empty(); ++i) {
          const size_t which = (op.size * 131 + i) % held.size();
          distinct.erase(held[which]);
          put(*cache, held[which]);
          held[which] = held.back();
          held.pop_back();
        }
      } else if (op.what < 11) {
        tick(*cache);
      } else {
        cache->trim();
      }
      RC_ASSERT(live() == held.size());
    }
    put_all(*cache, held);
  }));
}

}  // namespace
}  // namespace hakmem
