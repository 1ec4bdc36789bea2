#include "observe/counters.h"

#include <gtest/gtest.h>

#include <cstring>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem {
namespace {

using enum CounterIndex;

// What a piece of work counted.
class Growth {
 public:
  Growth() { read_counters(&before_); }
  uint64_t of(CounterIndex index) const {
    CounterValues now;
    read_counters(&now);
    return now[index] - before_[index];
  }

 private:
  CounterValues before_;
};

TEST(Counters, DescribeThemselves) {
  std::set<std::string> names;
  for (uint32_t i = 0; i < kCounters; ++i) {
    const CounterInfo& info = counter_info(i);
    EXPECT_TRUE(std::regex_match(info.name, std::regex("[a-z][a-z_]*"))) << info.name;
    EXPECT_TRUE(names.insert(info.name).second) << info.name << " is there twice";
    EXPECT_NE(*info.unit, '\0') << info.name;
    EXPECT_GT(strlen(info.help), 3U) << info.name;
    EXPECT_EQ(strpbrk(info.help, "\n\""), nullptr) << info.name;
  }
  EXPECT_STREQ(counter_info(static_cast<uint32_t>(pool_visits)).name, "pool_visits");
}

TEST(Counters, ReadingThemCountsNothing) {
  hak_free(hak_malloc(10));
  const Growth growth;
  for (uint32_t i = 0; i < kCounters; ++i)
    EXPECT_EQ(growth.of(static_cast<CounterIndex>(i)), 0U) << i;
}

TEST(Counters, TheInterfaceFillsWhatThereIsRoomFor) {
  const size_t count = hak_counters(nullptr, 0);
  ASSERT_EQ(count, kCounters);
  std::vector<hak_counter> some(count, hak_counter{"untouched", "", "", 7});
  EXPECT_EQ(hak_counters(some.data(), 3), count);
  EXPECT_STREQ(some[2].name, counter_info(2).name);
  EXPECT_STREQ(some[3].name, "untouched");
  EXPECT_EQ(hak_counters(some.data(), count), count);
  CounterValues values;
  read_counters(&values);
  for (uint32_t i = 0; i < kCounters; ++i) {
    EXPECT_STREQ(some[i].name, counter_info(i).name);
    EXPECT_STREQ(some[i].unit, counter_info(i).unit);
    EXPECT_EQ(some[i].value, values.values[i]) << some[i].name;
  }
}

TEST(Counters, ALargeBlockVisitsThePool) {
  hak_free(hak_malloc(10));
  hak_thread_idle();
  const Growth growth;
  void* block = hak_malloc(size_t{1} << 20);
  EXPECT_EQ(growth.of(pool_acquires), 1U);
  EXPECT_EQ(growth.of(slabs_acquired), 1U);
  EXPECT_EQ(growth.of(pool_visits), 1 + growth.of(pool_misses));
  EXPECT_GE(growth.of(lock_pool_acquired), 1U);
  hak_free(block);
  hak_thread_idle();
  EXPECT_EQ(growth.of(pool_releases), 1U);
  EXPECT_EQ(growth.of(slabs_released), 1U);
  EXPECT_EQ(growth.of(locks_contended), 0U);
}

TEST(Counters, AHugeBlockIsASystemCall) {
  // Else it is looked at besides.
  const test::ScopedConfig off([](Config& c) { c.thp = AutoSwitch::kOff; });
  hak_trim();
  const Growth growth;
  void* block = hak_malloc(size_t{64} << 20);
  EXPECT_EQ(growth.of(huge_mapped), 1U);
  EXPECT_GE(growth.of(system_calls_mmap), 1U);
  hak_free(block);
  EXPECT_EQ(growth.of(huge_unmapped), 1U);
  EXPECT_EQ(growth.of(system_calls), growth.of(system_calls_mmap) + growth.of(system_calls_munmap));
}

TEST(Counters, BlocksOfAnotherThreadTravelInMessages) {
  constexpr uint64_t kBlocks = 1000;
  std::vector<void*> blocks;
  for (uint64_t i = 0; i < kBlocks; ++i) blocks.push_back(hak_malloc(48));
  const Growth growth;
  std::thread([&blocks] {
    for (void* block : blocks) hak_free(block);
    hak_thread_idle();
  }).join();
  EXPECT_EQ(growth.of(blocks_sent), kBlocks);
  EXPECT_EQ(growth.of(messages_sent), (kBlocks + Message::kCapacity - 1) / Message::kCapacity);
  EXPECT_GE(growth.of(atomics_inbox), 2 * growth.of(messages_sent)) << "a push is two";
  EXPECT_EQ(growth.of(caches_parked), 1U);
  EXPECT_EQ(growth.of(messages_received), 0U);
  hak_thread_idle();
  EXPECT_EQ(growth.of(inboxes_drained), 1U);
}

TEST(Counters, SumsAreTheSumsOfTheirRows) {
  std::vector<void*> blocks;
  std::thread([&blocks] {
    for (uint32_t i = 0; i < 20'000; ++i) blocks.push_back(hak_malloc(16 + i % 900));
  }).join();
  for (void* block : blocks) hak_free(block);
  CounterValues all;
  read_counters(&all);
  uint64_t acquired = 0;
  uint64_t system = 0;
  for (uint32_t i = 0; i < kCounters; ++i) {
    const std::string name = counter_info(i).name;
    if (std::regex_match(name, std::regex("lock_[a-z]*_acquired"))) acquired += all.values[i];
    if (name.starts_with("system_calls_")) system += all.values[i];
  }
  EXPECT_EQ(all[locks_acquired], acquired);
  EXPECT_EQ(all[system_calls], system);
  EXPECT_EQ(all[pool_visits], all[pool_acquires] + all[pool_misses] + all[pool_releases] +
                                  all[pool_resizes] + all[pool_adoptions]);
  EXPECT_EQ(all[atomics], all[atomics_lock] + all[atomics_inbox] + all[atomics_budget] +
                              all[atomics_parked] + all[atomics_system_call]);
  EXPECT_GE(all[atomics_lock], 2 * acquired);
  EXPECT_EQ(all[pool_acquires] - all[pool_releases], [] {
    uint64_t slabs = 0;
    registry().for_each_superslab([&slabs](const SuperSlab& super) {
      for (uint32_t slot = 0; slot < kSlotsPerSuperSlab; ++slot) {
        const uint32_t tag = registry().tag_of(super.base() + (size_t{slot} << kSlotShift));
        slabs += tag != kUnusedTag && tag != kInteriorTag && super.slabs[slot].head_distance == 0;
      }
    });
    return slabs;
  }());
}

}  // namespace
}  // namespace hakmem
