// What the command says of a count: tests/support/puppet.py looks for what went past these two.
#include "live/text.h"

#include <gtest/gtest.h>

namespace hakmem::tools {
namespace {

TEST(Text, OneIsSingularAndAllElseIsNot) {
  EXPECT_EQ(counted(1, "page"), "1 page");
  EXPECT_EQ(counted(0, "page"), "0 pages");
  EXPECT_EQ(counted(2, "page"), "2 pages");
  EXPECT_EQ(counted(11, "page"), "11 pages");
  EXPECT_EQ(counted(UINT64_MAX, "page"), "18446744073709551615 pages");
}

TEST(Text, APluralOfItsOwn) {
  EXPECT_EQ(counted(1, "flush", "flushes"), "1 flush");
  EXPECT_EQ(counted(3, "flush", "flushes"), "3 flushes");
  EXPECT_EQ(form_of(1, "option is", "options are"), "option is");
  EXPECT_EQ(form_of(0, "option is", "options are"), "options are");
}

TEST(Text, NumbersAsPeopleReadThem) {
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(-20480), "-20.0 KiB");
  EXPECT_EQ(bytes_text(1048575), "1.0 MiB");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1 234 567");
  EXPECT_EQ(duration_text(59.9), "59 s");
  EXPECT_EQ(duration_text(7380), "2 h 03 min");
  EXPECT_EQ(bar(0.5, 2), "█ ");
  EXPECT_EQ(cut("abcdef", 5), "ab...");
}

}  // namespace
}  // namespace hakmem::tools
