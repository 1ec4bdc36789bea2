#include "bench/scale_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "bench/error.h"

namespace hakmem::bench {
namespace {

std::size_t column(const std::string& name) {
  for (std::size_t i = 0; i < scale_columns().size(); ++i) {
    if (scale_columns()[i].name == name) return i;
  }
  ADD_FAILURE() << name;
  return 0;
}

CounterGrowth counters(std::uint64_t each) {
  CounterGrowth result = {{"blocks_sent", 0}, {"messages_sent", 0}};
  for (const ScaleColumn& one : scale_columns()) {
    for (const char* name : one.counters) result[name] = each;
  }
  return result;
}

// Every figure 1, but for one.
ScaleCell cell(unsigned threads, std::uint64_t live, const std::string& name, double figure) {
  ScaleCell one;
  one.threads = threads;
  one.live = live;
  one.figures.assign(scale_columns().size(), 1.0);
  one.figures[column(name)] = figure;
  return one;
}

TEST(ScaleTable, FiguresArePerThousandOperations) {
  CounterGrowth one = counters(50);
  one["messages_sent"] = 10;
  one["blocks_sent"] = 1000;
  const ScaleCell made = make_cell(8, 1000, 20'000, {one});
  EXPECT_EQ(made.threads, 8U);
  EXPECT_EQ(made.live, 1000U);
  EXPECT_DOUBLE_EQ(made.figures[column("slow_paths")], 2.5);
  EXPECT_DOUBLE_EQ(made.figures[column("refills_and_flushes")], 5) << "a sum of two counters";
  EXPECT_DOUBLE_EQ(made.figures[column("messages")], 0.5);
  ASSERT_TRUE(made.blocks_per_message.has_value());
  EXPECT_DOUBLE_EQ(*made.blocks_per_message, 100);
}

TEST(ScaleTable, SeveralRunsGiveTheirMedian) {
  const ScaleCell made = make_cell(1, 1, 1000, {counters(9), counters(1), counters(2)});
  EXPECT_DOUBLE_EQ(made.figures[column("ticks")], 2);
  EXPECT_DOUBLE_EQ(made.figures[column("contended")], 4);
}

TEST(ScaleTable, WithoutMessagesNothingIsInThem) {
  CounterGrowth none = counters(1);
  none["messages_sent"] = 0;
  EXPECT_FALSE(make_cell(1, 1, 1000, {none}).blocks_per_message.has_value());
}

TEST(ScaleTable, ALibraryWithoutACounterIsRefused) {
  CounterGrowth one = counters(1);
  one.erase("pool_visits");
  EXPECT_THROW(make_cell(1, 1, 1000, {one}), Error);
}

TEST(ScaleTable, EqualFiguresAreFlat) {
  EXPECT_TRUE(
      growths_of({cell(1, 10, "ticks", 1), cell(8, 10, "ticks", 1), cell(1, 20, "ticks", 1)})
          .empty());
  EXPECT_TRUE(growths_of({}).empty());
}

TEST(ScaleTable, TheWorstGrowthByThreadsIsFound) {
  const auto found = growths_of({cell(64, 10, "pool_visits", 9), cell(1, 10, "pool_visits", 2),
                                 cell(8, 10, "pool_visits", 5), cell(64, 20, "pool_visits", 2)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].column, column("pool_visits"));
  EXPECT_TRUE(found[0].by_threads);
  EXPECT_EQ(found[0].base.threads, 1U);
  EXPECT_EQ(found[0].worst.threads, 64U);
  EXPECT_DOUBLE_EQ(found[0].from(), 2);
  EXPECT_DOUBLE_EQ(found[0].to(), 9);
}

TEST(ScaleTable, GrowthByLiveBlocksIsFoundApart) {
  const auto found = growths_of({cell(8, 1000, "pool_visits", 1), cell(8, 10, "pool_visits", 1),
                                 cell(8, 100'000, "pool_visits", 3)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].by_threads);
  EXPECT_EQ(found[0].base.live, 10U);
  EXPECT_EQ(found[0].worst.live, 100'000U);
}

TEST(ScaleTable, BothAHalfMoreAndTheFloorAreNeeded) {
  const double floor = scale_columns()[column("slow_paths")].floor;
  const auto grows = [](double from, double to) {
    return !growths_of({cell(1, 10, "slow_paths", from), cell(8, 10, "slow_paths", to)}).empty();
  };
  EXPECT_FALSE(grows(0, floor)) << "from nothing to what costs nothing";
  EXPECT_TRUE(grows(0, floor * 1.01));
  EXPECT_FALSE(grows(10 * floor, 15 * floor)) << "by a half";
  EXPECT_TRUE(grows(10 * floor, 15.1 * floor));
  EXPECT_FALSE(grows(15 * floor, floor)) << "shrinking is no growth";
}

TEST(ScaleTable, WhatOthersFreesMakeStartsWithTwoThreads) {
  ASSERT_TRUE(scale_columns()[column("messages")].of_remote_frees);
  EXPECT_TRUE(growths_of({cell(1, 10, "messages", 0), cell(2, 10, "messages", 40),
                          cell(8, 10, "messages", 41)})
                  .empty());
  EXPECT_FALSE(growths_of({cell(1, 10, "messages", 0), cell(2, 10, "messages", 4),
                           cell(8, 10, "messages", 41)})
                   .empty());
}

}  // namespace
}  // namespace hakmem::bench
