// What the table of huge blocks sums up.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "large/huge_table.h"

#include "unit/support.h"

namespace hakmem {
namespace {

constexpr size_t kMib = size_t{1} << 20;
// No reservation of the heap's lies there.
constexpr uintptr_t kFirst = uintptr_t{1} << 40;

class HugeTableSums : public testing::Test {
 protected:
  void SetUp() override { table_->use_first(); }

  // Too large for a stack.
  std::unique_ptr<HugeTable> table_ = std::make_unique<HugeTable>();
};

TEST_F(HugeTableSums, WhatHugePagesWereAskedFor) {
  HugeTable::Entry& small = table_->insert(kFirst, 3 * kMib);
  HugeTable::Entry& huge = table_->insert(kFirst + 8 * kMib, 5 * kMib);
  EXPECT_EQ(table_->asked(), 0U);
  for (int i = 0; i < 2; ++i) table_->set_asked(huge, true);
  EXPECT_EQ(table_->asked(), 5 * kMib);
  table_->set_size(huge, 9 * kMib);
  table_->set_size(small, 7 * kMib);
  EXPECT_EQ(table_->asked(), 9 * kMib);
  table_->set_size(huge, 4 * kMib);
  EXPECT_EQ(table_->asked(), 4 * kMib);
  EXPECT_EQ(table_->live(), 11 * kMib);
  for (int i = 0; i < 2; ++i) table_->set_asked(huge, false);
  EXPECT_EQ(table_->asked(), 0U);
  table_->set_asked(small, true);
  const HugeTable::Entry gone = table_->remove(small);
  EXPECT_TRUE(gone.is_asked);
  EXPECT_EQ(gone.size, 7 * kMib);
  EXPECT_EQ(table_->asked(), 0U);
  EXPECT_EQ(table_->live(), 4 * kMib);
}

TEST_F(HugeTableSums, WhatIsFull) {
  HugeTable::Entry& entry = table_->insert(kFirst, 3 * kMib);
  EXPECT_EQ(table_->full(), 0U);
  for (int i = 0; i < 2; ++i) table_->set_full(entry);
  EXPECT_EQ(table_->full(), 3 * kMib);
  table_->set_size(entry, 2 * kMib);
  EXPECT_EQ(table_->full(), 2 * kMib);
  table_->set_size(entry, 4 * kMib);
  EXPECT_EQ(table_->full(), 0U) << "nobody has seen the rest";
  table_->set_full(entry);
  table_->set_asked(entry, false);
  EXPECT_EQ(table_->full(), 0U);
  table_->set_full(entry);
  EXPECT_TRUE(table_->remove(entry).is_full);
  EXPECT_EQ(table_->full(), 0U);
}

TEST_F(HugeTableSums, ALargerTableHasTheSame) {
  std::vector<uintptr_t> asked;
  size_t count = 0;
  for (; table_->has_room(); ++count) {
    HugeTable::Entry& entry = table_->insert(kFirst + count * 4 * kMib, 3 * kMib);
    if (count % 3 != 0) continue;
    table_->set_asked(entry, true);
    if (count % 2 == 0) table_->set_full(entry);
    asked.push_back(entry.address);
  }
  const size_t capacity = table_->next_capacity();
  std::vector<HugeTable::Entry> fresh(capacity, HugeTable::Entry{});
  table_->rebuild(fresh.data(), capacity);
  EXPECT_TRUE(table_->has_room());
  EXPECT_EQ(table_->asked(), asked.size() * 3 * kMib);
  EXPECT_EQ(table_->full(), (count + 5) / 6 * 3 * kMib);
  EXPECT_EQ(table_->live(), count * 3 * kMib);
  for (const uintptr_t address : asked) {
    const HugeTable::Entry* entry = table_->find(address);
    ASSERT_NE(entry, nullptr);
    EXPECT_TRUE(entry->is_asked);
  }
}

}  // namespace
}  // namespace hakmem
