// Who counts as live, and who is still there for the next thread.
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "os/process.h"
#include "front/cache_list.h"

#include "unit/front/cache_access.h"
#include "unit/front/front_check.h"

namespace hakmem {
namespace {

using test::Owned;

class CacheOwnersTest : public test::FrontTest {};

// In a child: such a cache is for ever.
[[noreturn]] void make_one_without_an_owner() {
  Owned one;
  const uint32_t live = cache_list().live();
  const uint32_t count = cache_list().count();
  const ThreadCache* unowned = cache_list().make_unowned();
  if (live == 0 || unowned == nullptr || cache_list().count() != count + 1) _exit(1);
  if (cache_list().live() != live) _exit(2);  // no thread runs in it
  if (unowned->parked()) _exit(3);            // nobody may adopt from it
  one.leave();
  _exit(cache_list().live() == live - 1 ? 0 : 4);
}

TEST_F(CacheOwnersTest, ACacheWithoutAnOwnerIsNotALiveOne) {
  EXPECT_EXIT(make_one_without_an_owner(), testing::ExitedWithCode(0), "");
}

TEST_F(CacheOwnersTest, ARetiredCacheStaysOnTheList) {
  ThreadCache* cache = cache_list().take_over();
  test::put(*cache, test::get(*cache, class_of(64)));  // so that there is something to give up
  cache->leave();
  cache_list().park(cache);
  ASSERT_FALSE(cache->retired());
  const uint32_t parked = cache_list().parked();
  cache_list().retire_parked(os::now_coarse(), UINT32_MAX);
  EXPECT_TRUE(cache->retired());
  EXPECT_EQ(cache_list().parked(), parked);
  std::set<ThreadCache*> taken;
  for (uint32_t i = 0; i < parked; ++i) taken.insert(cache_list().take_over());
  EXPECT_TRUE(taken.contains(cache)) << "it is lost to new threads";
  for (ThreadCache* each : taken) cache_list().park(each);
}

// Nobody told the list of it: its owner was at work.
TEST_F(CacheOwnersTest, MailOfAVanishedOwnerIsDrained) {
  const ClassIndex c = class_of(1000);
  Owned sender;
  Owned doomed;
  doomed->trim();
  void* block = test::get(*doomed, c);
  test::put(*sender, block);
  test::tick(*sender);
  cache_list().drain_mail();
  ThreadCache* orphan = doomed.vanish();
  ASSERT_TRUE(orphan->has_mail());
  cache_list().drain_mail();
  EXPECT_FALSE(orphan->has_mail());
  EXPECT_EQ(live(), 1U) << "the block came home";
  forgive(1);  // the topmost entry of its stack
}

}  // namespace
}  // namespace hakmem
