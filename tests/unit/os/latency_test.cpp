#include "os/latency.h"

#include <gtest/gtest.h>

namespace hakmem::os {
namespace {

uint64_t count_of(Cause cause) {
  uint64_t sum = 0;
  for (const std::atomic<uint64_t>& bucket : latency_of(cause).buckets) sum += bucket.load();
  return sum;
}

TEST(Latency, NothingIsTimedWhileNobodyWatches) {
  ASSERT_FALSE(g_latency_watch.on.load());
  const uint64_t before = count_of(Cause::refill);
  { const Stopwatch stopwatch(Cause::refill); }
  EXPECT_EQ(count_of(Cause::refill), before);
}

TEST(Latency, AScopeIsCountedOnceUnderItsCause) {
  const uint64_t flushes = count_of(Cause::flush);
  const uint64_t refills = count_of(Cause::refill);
  watch_latency(true);
  { const Stopwatch stopwatch(Cause::flush); }
  watch_latency(false);
  EXPECT_EQ(count_of(Cause::flush), flushes + 1);
  EXPECT_EQ(count_of(Cause::refill), refills);
}

TEST(Latency, WhatWasBegunWhileWatchedIsCounted) {
  const uint64_t before = count_of(Cause::mail);
  watch_latency(true);
  {
    const Stopwatch stopwatch(Cause::mail);
    watch_latency(false);
  }
  EXPECT_EQ(count_of(Cause::mail), before + 1);
}

TEST(Latency, BucketsArePowersOfTwo) {
  const Latency& purges = latency_of(Cause::purge);
  const uint64_t total = purges.total_ns.load();
  // 2^20 ns is a millisecond: what the calls take themselves does not make it two.
  note_latency(Cause::purge, latency_clock_ns() - (uint64_t{1} << 20));
  EXPECT_EQ(purges.buckets[20].load(), 1u);
  EXPECT_GE(purges.total_ns.load() - total, uint64_t{1} << 20);
  EXPECT_LT(purges.total_ns.load() - total, uint64_t{2} << 20);
  // Whatever is longer than its bounds is in the last one.
  note_latency(Cause::purge, latency_clock_ns() - (uint64_t{3} << 31));
  EXPECT_EQ(purges.buckets[kLatencyBuckets - 1].load(), 1u);
  EXPECT_GE(purges.longest_ns.load(), uint64_t{3} << 31);
}

TEST(Latency, TheLongestIsThatOfThisWatching) {
  note_latency(Cause::growth, latency_clock_ns() - 1'000'000);
  watch_latency(true);
  EXPECT_EQ(latency_of(Cause::growth).longest_ns.load(), 0u);
  note_latency(Cause::growth, latency_clock_ns() - 1000);
  watch_latency(true);  // it is on already
  EXPECT_NE(latency_of(Cause::growth).longest_ns.load(), 0u);
  watch_latency(false);
}

}  // namespace
}  // namespace hakmem::os
