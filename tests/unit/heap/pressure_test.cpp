// Which rung of the ladder a reading leads to, and what the rungs do.
#include "heap/pressure.h"

#include <gtest/gtest.h>

#include "front/budget.h"

namespace hakmem::pressure {
namespace {

using Rung = MemoryLimit::Rung;

Rung after(Rung rung, const os::MemoryReport& report, uint64_t hits_before = 0) {
  return next_rung(rung, report, hits_before);
}

TEST(Pressure, OneRungUpForEachReadingThatFindsIt) {
  os::MemoryReport full;
  full.full_percent = 87;
  EXPECT_EQ(after(Rung::kCalm, full), Rung::kKeepNothing);
  EXPECT_EQ(after(Rung::kKeepNothing, full), Rung::kPurge);
  EXPECT_EQ(after(Rung::kPurge, full), Rung::kShrinkCaches);
  EXPECT_EQ(after(Rung::kShrinkCaches, full), Rung::kShrinkCaches);
  full.full_percent = 86;
  EXPECT_EQ(after(Rung::kShrinkCaches, full), Rung::kPurge);
  EXPECT_EQ(after(Rung::kKeepNothing, full), Rung::kCalm);
  EXPECT_EQ(after(Rung::kCalm, full), Rung::kCalm);
}

TEST(Pressure, StallsCountFromATenthOfTheTime) {
  os::MemoryReport report;
  report.knows_stalls = true;
  report.stalled_percent = 9;
  EXPECT_EQ(after(Rung::kCalm, report), Rung::kCalm);
  report.stalled_percent = 10;
  EXPECT_EQ(after(Rung::kCalm, report), Rung::kKeepNothing);
}

TEST(Pressure, LimitsThatWereHitCountOnlyWithoutStallsAndInAGroupThatIsHalfFull) {
  os::MemoryReport report;
  report.limit_hits = 5;
  report.full_percent = 50;
  EXPECT_EQ(after(Rung::kCalm, report, 4), Rung::kKeepNothing);
  EXPECT_EQ(after(Rung::kCalm, report, 5), Rung::kCalm);
  report.full_percent = 49;
  EXPECT_EQ(after(Rung::kCalm, report, 4), Rung::kCalm);
  report.full_percent = 50;
  report.knows_stalls = true;
  EXPECT_EQ(after(Rung::kCalm, report, 4), Rung::kCalm);
}

TEST(Pressure, TheFirstReadingHasNothingToCompareWith) {
  os::MemoryReport report;
  report.limit_hits = 5;
  report.full_percent = 60;
  EXPECT_EQ(after(Rung::kCalm, report, UINT64_MAX), Rung::kCalm);
}

TEST(Pressure, TheRungsForbidKeepingAndThenCaching) {
  EXPECT_GT(memory_limit().spare(Bytes(0)), Bytes(0));
  memory_limit().set_rung(Rung::kKeepNothing);
  EXPECT_EQ(memory_limit().spare(Bytes(0)), Bytes(0));
  EXPECT_GT(Budget::limit(), Bytes(0));
  memory_limit().set_rung(Rung::kShrinkCaches);
  EXPECT_EQ(Budget::limit(), Bytes(0));
  memory_limit().set_rung(Rung::kCalm);
  EXPECT_GT(memory_limit().spare(Bytes(0)), Bytes(0));
}

}  // namespace
}  // namespace hakmem::pressure
