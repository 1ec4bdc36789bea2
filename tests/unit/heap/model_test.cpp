// Random operations on the whole heap, the walker after each step.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <ostream>
#include <vector>

#include "unit/heap/heap_model.h"

namespace hakmem {
namespace {

using test::HeapModel;

struct Op {
  uint32_t what;
  uint32_t kind;
  uint32_t number;
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << "{" << op.what << "u, " << op.kind << "u, " << op.number << "u}";
}

const char* apply(HeapModel& model, const Op& op) {
  const size_t size = test::any_size(op.kind, op.number);
  HeapModel::arm();
  switch (op.what % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
      return model.malloc(size);
    case 4:
    case 5:
      return model.calloc(1 + op.number % 3, size / 3);
    case 6:
      // 1 B .. 4 MiB
      return model.aligned_alloc(size_t{1} << op.number % 23, size);
    case 7:
    case 8:
      return model.realloc(op.number, size);
    case 9:
      if (op.number % 8 == 0) hak_trim();
      if (op.number % 8 == 1) hak_thread_idle();
      return errno == 4711 ? nullptr : "trim touched errno";
    case 10:
      return model.free(op.number, true);
    default:
      return model.free(op.number);
  }
}

TEST(HeapModel, ShortRandomLivesCheckedAfterEveryStep) {
  EXPECT_TRUE(rc::check("the malloc family", [] {
    const auto ops = *rc::gen::container<std::vector<Op>>(
        rc::gen::construct<Op>(rc::gen::inRange<uint32_t>(0, 16), rc::gen::inRange<uint32_t>(0, 10),
                               rc::gen::inRange<uint32_t>(0, 1u << 24)));
    HeapModel model;
    for (const Op& op : ops) {
      if (const char* wrong = apply(model, op); wrong != nullptr) RC_FAIL(wrong);
      if (const char* wrong = model.check(); wrong != nullptr) RC_FAIL(wrong);
    }
  }));
}

// More allocations than frees, then more frees than allocations, and again.
TEST(HeapModel, ALongTidalLife) {
  HeapModel model;
  test::Random random(2024);
  const uint32_t steps = test::kThreadSanitizer ? 20'000 : 60'000;
  for (uint32_t step = 0; step < steps; ++step) {
    const bool flood = step / 3000 % 2 == 0;
    const uint32_t what = static_cast<uint32_t>(flood ? random.below(13) : random.below(16));
    // Huge blocks and those of megabytes are rare, or they would be all that is measured.
    uint32_t kind = static_cast<uint32_t>(random.below(10));
    if (kind >= 7 && random.below(20) != 0) kind = 1;
    const Op op{what, kind, static_cast<uint32_t>(random.next() >> 40)};
    ASSERT_STREQ(apply(model, op), nullptr) << step << " " << op;
    if (step % 500 == 0) {
      ASSERT_STREQ(model.check(), nullptr) << step;
    }
  }
  ASSERT_STREQ(model.check(), nullptr);
}

// One class at a time, up and down, so that slabs fill, empty and change their class.
TEST(HeapModel, EveryClassFillsAndEmpties) {
  for (uint32_t c = 0; c < kClasses; ++c) {
    HeapModel model;
    const size_t size = class_info(ClassIndex(c)).block_bytes;
    const uint32_t count = size <= 4096 ? 600 : 20;
    for (uint32_t i = 0; i < count; ++i) {
      HeapModel::arm();
      ASSERT_STREQ(model.malloc(size), nullptr) << c;
    }
    ASSERT_STREQ(model.check(), nullptr) << c;
    test::Random random(c);
    while (model.blocks() != 0) ASSERT_STREQ(model.free(random.next()), nullptr) << c;
    ASSERT_STREQ(model.check(), nullptr) << c;
  }
}

}  // namespace
}  // namespace hakmem
