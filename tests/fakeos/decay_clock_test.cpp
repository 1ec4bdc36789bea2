// On a clock that only the test moves: EMPTY slots fade along the curve, and a tick is short.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "os/process.h"
#include "pool/shared_pool.h"
#include "front/hole_purge.h"
#include "large/huge.h"

#include "hakmem/hakmem.h"

#include "fakeos/child.h"
#include "fakeos/fake_pages.h"
#include "fakeos/fake_process.h"
#include "fakeos/workload.h"

namespace hakmem::fakeos {
namespace {

constexpr uint64_t kDecayMs = 1000;
constexpr uint64_t kEpochMs = kDecayMs / Decay::kEpochs + 1;
constexpr size_t kSlot = kSlotBytes.count();

uint64_t empty_slots() { return pool().stats().empty_slots; }

// More than four times what the tests give back: of a program that drains, the pool keeps a quarter of what is in
// use.
constexpr uint32_t kBallastSlots = 8000;

// A heap with a small block and untouched ballast, beside which slots come and go.
class Slots {
 public:
  explicit Slots(uint64_t decay_ms, Shape shape = Shape::kDefault) {
    set_options(shape, decay_ms);
    small_ = hak_malloc(48);
    for (uint32_t i = 0; i < kBallastSlots; ++i) EXPECT_NE(hak_malloc(kSlot), nullptr);
    arm(Script{});
  }
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  // Blocks of one slot each, all bytes 0xff.
  void take(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      void* block = hak_malloc(kSlot);
      ASSERT_NE(block, nullptr);
      std::memset(block, 0xff, kSlot);
      blocks_.push_back(block);
    }
  }
  void give_back() {
    for (void* block : blocks_) hak_free(block);
    blocks_.clear();
    hak_thread_idle();
  }
  // Every second slot stays taken, so that a SuperSlab has 16 runs of one.
  void give_back_every_second() {
    std::vector<void*> kept;
    for (void* block : blocks_) {
      if (test::address_of(block) / kSlot % 2 == 0) {
        hak_free(block);
      } else {
        kept.push_back(block);
      }
    }
    blocks_ = kept;
    hak_thread_idle();
  }

  // What the longest of some ticks takes, two decay times apart, until nothing is left.
  static uint64_t longest_tick_us(uint64_t* ticks) {
    uint64_t longest = 0;
    for (*ticks = 0; empty_slots() != 0 && *ticks < 200; ++*ticks) {
      advance_clock(Milliseconds(2 * kDecayMs));
      const uint64_t before = os::now_microseconds();
      use_slow_paths();
      const uint64_t took = os::now_microseconds() - before;
      if (took > longest) longest = took;
    }
    return longest;
  }

  // A tick comes with a slow path that looks at the clock; these need no slot.
  void pass(uint64_t milliseconds) {
    advance_clock(Milliseconds(milliseconds));
    use_slow_paths();
  }
  static void use_slow_paths() {
    for (int i = 0; i < 10; ++i) {
      hak_free(hak_malloc(48));
      hak_thread_idle();
    }
  }

 private:
  void* small_;
  std::vector<void*> blocks_;
};

TEST(DecayClock, EmptySlotsFadeAlongTheCurveToNothing) {
  in_child("400 slots", [] {
    constexpr uint32_t kCount = 400;
    Slots slots(kDecayMs);
    slots.take(kCount);
    slots.give_back();
    EXPECT_EQ(empty_slots(), kCount);
    uint64_t last = kCount;
    for (uint32_t epoch = 1; epoch <= Decay::kEpochs + 1; ++epoch) {
      slots.pass(kEpochMs);
      const uint64_t left = empty_slots();
      EXPECT_LE(left, last);
      EXPECT_LT(last - left, kCount / 8) << "a cliff, not a curve";
      if (epoch <= 3) {
        EXPECT_GT(left, kCount * 9 / 10);
      } else if (epoch == Decay::kEpochs / 2) {
        EXPECT_NEAR(static_cast<double>(left), kCount / 2, kCount / 10);
      }
      last = left;
    }
    EXPECT_EQ(last, 0U);
    EXPECT_EQ(purged() - hole_purge().purged(), Bytes(kCount * kSlot));
  });
}

TEST(DecayClock, WithoutTimeNothingFades) {
  in_child("a still clock", [] {
    Slots slots(kDecayMs);
    slots.take(100);
    slots.give_back();
    for (int i = 0; i < 50; ++i) Slots::use_slow_paths();
    EXPECT_EQ(empty_slots(), 100U);
    EXPECT_EQ(calls(Call::kPurge), 0U);
  });
}

TEST(DecayClock, NeverKeepsAndTrimGivesBackAllTheSame) {
  in_child("never", [] {
    Slots slots(Decay::kNever);
    slots.take(100);
    slots.give_back();
    for (int i = 0; i < 100; ++i) slots.pass(60'000);
    EXPECT_EQ(empty_slots(), 100U);
    EXPECT_EQ(calls(Call::kPurge), 0U);
    EXPECT_EQ(hak_trim(), 1);
    EXPECT_EQ(empty_slots(), 0U);
    EXPECT_EQ(hak_trim(), 0) << "nothing is left to give back";
  });
}

TEST(DecayClock, ZeroGivesBackWithTheNextTick) {
  in_child("zero", [] {
    Slots slots(0);
    slots.take(100);
    slots.give_back();
    slots.pass(kEpochMs);
    EXPECT_EQ(empty_slots(), 0U);
  });
}

// Taken at one tick, free at the next, and so on. The first epoch may round a slot away.
TEST(DecayClock, WhatComesBackIsNotPurged) {
  in_child("400 slots, 60 times", [] {
    Slots slots(kDecayMs);
    for (int round = 0; round < 60; ++round) {
      slots.take(400);
      slots.pass(kEpochMs);
      slots.give_back();
      slots.pass(kEpochMs);
    }
    EXPECT_LE(purged(), Bytes(2 * kSlot));
  });
}

TEST(DecayClock, ATickPurgesForAMillisecond) {
  in_child("15 SuperSlabs", [] {
    constexpr uint64_t kCostUs = 300;
    Slots slots(kDecayMs);
    slots.take(480);
    slots.give_back();
    set_cost_us(Call::kPurge, kCostUs);
    uint64_t ticks;
    EXPECT_LE(Slots::longest_tick_us(&ticks), 1000 + kCostUs);
    EXPECT_GE(ticks, 4U);
    EXPECT_EQ(empty_slots(), 0U);
  });
}

// The clock is looked at between SuperSlabs.
TEST(DecayClock, ATickEndsWithTheSuperSlabItIsAt) {
  in_child("100 SuperSlabs with 16 runs of one slot", [] {
    constexpr uint64_t kCostUs = 50;
    Slots slots(kDecayMs);
    slots.take(3200);
    slots.give_back_every_second();
    set_cost_us(Call::kPurge, kCostUs);
    uint64_t ticks;
    EXPECT_LE(Slots::longest_tick_us(&ticks), 1000 + kSlotsPerSuperSlab / 2 * kCostUs);
    EXPECT_GE(ticks, 10U);
    EXPECT_EQ(empty_slots(), 0U);
  });
}

TEST(DecayClock, ARefusedPurgeIsNotRepeatedAtOnce) {
  in_child("refused for a while", [] {
    Slots slots(kDecayMs);
    slots.take(100);
    slots.give_back();
    arm(from(Call::kPurge, 0));
    slots.pass(3 * kDecayMs);
    constexpr uint64_t kEach = 4;   // of the SuperSlabs that 100 slots lie in
    constexpr uint64_t kHoles = 1;  // behind the small block, asked for once in eight seconds
    EXPECT_EQ(calls(Call::kPurge), kEach);
    for (int i = 0; i < 16; ++i) slots.pass(60);
    EXPECT_EQ(calls(Call::kPurge), kEach + kHoles) << "within the pause of a second";
    EXPECT_EQ(empty_slots(), 100U);
    slots.pass(100);
    EXPECT_EQ(calls(Call::kPurge), 2 * kEach + kHoles);
    disarm();
    for (int i = 0; i < 4; ++i) slots.pass(2 * kDecayMs);
    EXPECT_EQ(empty_slots(), 0U);
  });
}

TEST(DecayClock, ARefusedPurgeLeavesEmptySlotsAndCallocClearsThem) {
  for (const Shape shape : kShapes) {
    in_child(name_of(shape), [shape] {
      Slots slots(kDecayMs, shape);
      slots.take(64);
      slots.give_back();
      const uint64_t empty = empty_slots();
      EXPECT_GE(empty, 64U);
      arm(from(Call::kPurge, 0));
      EXPECT_EQ(hak_trim(), 0);
      EXPECT_EQ(empty_slots(), empty);
      EXPECT_GT(pool().stats().purge_refusals, 0U);
      std::vector<void*> blocks;
      for (int i = 0; i < 64; ++i) {
        blocks.push_back(hak_calloc(1, kSlot));
        EXPECT_TRUE(test::all_zero(blocks.back(), kSlot));
      }
      for (void* block : blocks) hak_free(block);
      disarm();
      EXPECT_EQ(hak_trim(), 1);
      EXPECT_EQ(empty_slots(), 0U);
    });
  }
}

TEST(DecayClock, RetainedHugeBlocksGoAfterTheDecayTime) {
  in_child("a retained block", [] {
    Slots slots(kDecayMs);
    hak_free(hak_malloc(size_t{3} << 20));
    EXPECT_EQ(huge_blocks().stats().retained, mib(3));
    slots.pass(kDecayMs - 100);
    EXPECT_EQ(huge_blocks().stats().retained, mib(3));
    slots.pass(200);
    EXPECT_EQ(huge_blocks().stats().retained, Bytes(0));
  });
}

}  // namespace
}  // namespace hakmem::fakeos
