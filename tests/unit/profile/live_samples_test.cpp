#include "profile/live_samples.h"

#include <gtest/gtest.h>

#include <map>

#include "profile/weight.h"

namespace hakmem {
namespace {

TEST(LiveSamples, AgreesWithAMap) {
  os::Lock lock(os::LockRank::kProfile);
  LiveSamples live;
  EXPECT_FALSE(live.put({16, 1, 1, 0}));  // no room was made
  EXPECT_EQ(live.take(16).address, 0u);
  std::map<uintptr_t, size_t> model;
  uint64_t random = 3;
  for (int i = 0; i < 200'000; ++i) {
    const uintptr_t address = 16 * (1 + split_mix(&random) % 20'000);
    if (model.count(address) == 0) {
      live.make_room(lock);
      ASSERT_TRUE(live.put({address, static_cast<size_t>(i), 5, 0}));
      model[address] = static_cast<size_t>(i);
    } else {
      const LiveSample taken = live.take(address);
      ASSERT_EQ(taken.address, address);
      ASSERT_EQ(taken.size, model[address]);
      model.erase(address);
    }
    ASSERT_EQ(live.count(), model.size());
  }
  for (const auto& [address, size] : model) ASSERT_EQ(live.take(address).size, size);
  EXPECT_EQ(live.count(), 0u);
  live.unmap();
}

}  // namespace
}  // namespace hakmem
