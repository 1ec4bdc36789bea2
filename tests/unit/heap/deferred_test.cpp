#include "heap/deferred.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace hakmem {
namespace {

TEST(DeferredFrees, GiveBackWhatWasPutAndNothingElse) {
  static DeferredFrees deferred;
  static std::set<void*> taken;
  taken.clear();
  std::vector<char> blocks(1000);
  std::set<void*> put;
  EXPECT_FALSE(deferred.waiting());
  while (put.size() < blocks.size() && deferred.put(&blocks[put.size()]))
    put.insert(&blocks[put.size()]);
  EXPECT_GE(put.size(), 16U);
  EXPECT_LT(put.size(), blocks.size()) << "the room ends some time";
  EXPECT_TRUE(deferred.waiting());
  deferred.take_all([](void* block) { EXPECT_TRUE(taken.insert(block).second); });
  EXPECT_EQ(taken, put);
  EXPECT_FALSE(deferred.waiting());
  deferred.take_all([](void*) { ADD_FAILURE() << "taken twice"; });
  EXPECT_TRUE(deferred.put(&blocks[0]));
  deferred.take_all([](void*) {});
}

TEST(DeferredFrees, WhatIsPutWhileTheyAreTakenWaits) {
  static DeferredFrees deferred;
  static std::vector<char> blocks(2);
  static int calls;
  calls = 0;
  deferred.put(&blocks[0]);
  deferred.take_all([](void*) {
    if (calls++ == 0) deferred.put(&blocks[1]);
  });
  // It may have been taken in the same round already; if not, it is seen to wait.
  if (calls == 1) {
    EXPECT_TRUE(deferred.waiting());
    deferred.take_all([](void* block) { calls += block == &blocks[1] ? 1 : 10; });
  }
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace hakmem
