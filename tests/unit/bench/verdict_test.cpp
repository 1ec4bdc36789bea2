#include "bench/verdict.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hakmem::bench {
namespace {

// A session of one row that was never run: hakmem's figures, and those of the others.
class VerdictTest : public testing::Test {
 protected:
  VerdictTest() {
    row_.name = "row";
    row_.title = "a row";
    row_.unit = "Mops/s";
    measurement_.settings.margin = 0.02;
  }

  void add(const std::string& name, const std::vector<double>& figures) {
    if (measurement_.rows.empty()) measurement_.rows.emplace_back().row = &row_;
    measurement_.allocators.push_back({name, {}, {}});
    std::vector<bench::Run>& runs = measurement_.rows[0].runs.emplace_back();
    for (std::size_t i = 0; i < figures.size(); ++i) {
      bench::Run& run = runs.emplace_back();
      run.round = i + 1;
      run.figure = figures[i];
    }
  }
  void fail(std::size_t allocator, std::size_t round) {
    measurement_.rows[0].runs[allocator][round - 1].error = "exit status 1";
  }
  [[nodiscard]] Comparison only() const {
    const std::vector<Comparison> all = compare_all(measurement_);
    EXPECT_EQ(all.size(), 1u);
    return all.front();
  }

  Row row_;
  Measurement measurement_;
};

std::vector<double> all(std::size_t count, double value) {
  return std::vector<double>(count, value);
}

TEST_F(VerdictTest, SixRoundsOfOneSignAreEnoughForOneComparison) {
  add("hakmem", all(6, 110));
  add("other", all(6, 100));
  EXPECT_EQ(only().verdict, Verdict::kFaster);
  EXPECT_DOUBLE_EQ(only().ratio, 1.1);
}

TEST_F(VerdictTest, ButNotForTwo) {
  add("hakmem", all(6, 110));
  add("other", all(6, 100));
  add("third", all(6, 100));
  for (const Comparison& comparison : compare_all(measurement_)) {
    EXPECT_EQ(comparison.verdict, Verdict::kInconclusive);
    EXPECT_DOUBLE_EQ(comparison.p_adjusted, 2 * comparison.p);
  }
}

TEST_F(VerdictTest, LessIsFasterWhereLowerIsBetter) {
  row_.higher_is_better = false;
  add("hakmem", all(8, 50));
  add("other", all(8, 100));
  EXPECT_EQ(only().verdict, Verdict::kFaster);
  EXPECT_DOUBLE_EQ(only().ratio, 2.0);
}

TEST_F(VerdictTest, EqualFiguresAreEquivalent) {
  add("hakmem", all(8, 100));
  add("other", all(8, 100));
  EXPECT_EQ(only().verdict, Verdict::kEquivalent);
}

TEST_F(VerdictTest, ASureDifferenceWithinTheMarginIsEquivalent) {
  add("hakmem", all(8, 101));
  add("other", all(8, 100));
  EXPECT_LT(only().p_adjusted, 0.05);
  EXPECT_EQ(only().verdict, Verdict::kEquivalent);
}

TEST_F(VerdictTest, RatiosOnBothSidesAreInconclusive) {
  add("hakmem", {90, 110, 90, 110, 90, 110, 90, 110});
  add("other", all(8, 100));
  EXPECT_EQ(only().verdict, Verdict::kInconclusive);
}

TEST_F(VerdictTest, ARoundWithAFailureHasNoRatio) {
  add("hakmem", {100, 100, 100, 100, 100, 100, 100});
  add("other", {100, 50, 100, 100, 100, 100, 25});
  fail(1, 2);
  fail(0, 7);
  EXPECT_EQ(only().ratios, all(5, 1.0));
  EXPECT_FALSE(only().interval);
}

TEST_F(VerdictTest, AFigureOfZeroHasAFiniteRatio) {
  add("hakmem", {0, 99, 0});
  add("other", {0, 0, 99});
  EXPECT_EQ(only().ratios, (std::vector<double>{1.0, 1000.0, 0.001}));
}

TEST_F(VerdictTest, LossesComeFirst) {
  add("hakmem", all(20, 100));
  add("weak", all(20, 50));
  add("same", all(20, 100));
  add("strong", all(20, 120));
  add("stronger", all(20, 150));
  std::vector<std::string> order;
  for (const Comparison& comparison : compare_all(measurement_)) {
    order.push_back(measurement_.allocators[comparison.other].name);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"stronger", "strong", "same", "weak"}));
}

TEST_F(VerdictTest, GatesAreJudgedByMedians) {
  add("hakmem", {60, 61, 70});
  add("weak", {50, 50, 50});
  add("strong", {80, 80, 80});
  row_.gate = Gate{Gate::Kind::kAtMost, 65.0, {}};
  EXPECT_EQ(judge_gates(measurement_).at(0).verdict, GateVerdict::kPass);
  row_.gate = Gate{Gate::Kind::kAtLeast, 65.0, {}};
  EXPECT_EQ(judge_gates(measurement_).at(0).verdict, GateVerdict::kFail);
  row_.gate = Gate{Gate::Kind::kFaster, 0.0, {}};
  EXPECT_EQ(judge_gates(measurement_).at(0).verdict, GateVerdict::kFail);
  row_.gate = Gate{Gate::Kind::kFaster, 0.0, {"weak"}};
  EXPECT_EQ(judge_gates(measurement_).at(0).verdict, GateVerdict::kPass);
  row_.gate = Gate{Gate::Kind::kFaster, 0.0, {"absent"}};
  EXPECT_EQ(judge_gates(measurement_).at(0).verdict, GateVerdict::kNotJudged);
}

TEST_F(VerdictTest, AFailedRunOfOursFailsTheGate) {
  add("hakmem", {60, 61, 70});
  add("other", {50, 50, 50});
  row_.gate = Gate{Gate::Kind::kFaster, 0.0, {}};
  fail(0, 2);
  EXPECT_EQ(judge_gates(measurement_).at(0).verdict, GateVerdict::kFail);
  EXPECT_NE(judge_gates(measurement_).at(0).reason.find("exit status 1"), std::string::npos);
}

}  // namespace
}  // namespace hakmem::bench
