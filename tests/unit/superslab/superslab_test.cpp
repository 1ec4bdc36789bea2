#include "superslab/superslab.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <memory>
#include <vector>

#include "unit/support.h"

namespace hakmem {
namespace {

using test::ForgedKey;

constexpr uintptr_t kBase = uintptr_t{7} << kSuperSlabShift;
constexpr std::array kStates = {SlotState::kUnused, SlotState::kActive, SlotState::kEmpty};

std::unique_ptr<SuperSlab> opened() {
  auto super = std::make_unique<SuperSlab>();
  super->open(ForgedKey(), kBase, 3);
  return super;
}

// DESIGN 3.4: acquire from either, release, purge claims, purge publishes.
bool is_edge(SlotState from, SlotState to) {
  return (from == SlotState::kUnused && to == SlotState::kActive) ||
         (from == SlotState::kEmpty && to == SlotState::kActive) ||
         (from == SlotState::kActive && to == SlotState::kEmpty) ||
         (from == SlotState::kActive && to == SlotState::kUnused);
}

// Slot 0 in state `from`.
std::unique_ptr<SuperSlab> with_slot_in(SlotState from) {
  auto super = opened();
  if (from != SlotState::kUnused)
    super->move(ForgedKey(), 1, SlotState::kUnused, SlotState::kActive);
  if (from == SlotState::kEmpty) super->move(ForgedKey(), 1, SlotState::kActive, SlotState::kEmpty);
  return super;
}

TEST(SuperSlab, OpensWithEverySlotUnused) {
  const auto super = opened();
  EXPECT_EQ(super->base(), kBase);
  EXPECT_EQ(super->mask(SlotState::kUnused), ~0u);
  EXPECT_EQ(super->free_mask(), ~0u);
  EXPECT_EQ(super->count(SlotState::kUnused), SlotCount(32));
  EXPECT_EQ(super->count(SlotState::kActive), SlotCount(0));
  EXPECT_EQ(super->count(SlotState::kEmpty), SlotCount(0));
}

TEST(SuperSlabDeathTest, OnlyTheEdgesOfTheDiagramExist) {
  for (const SlotState from : kStates) {
    for (const SlotState to : kStates) {
      const auto super = with_slot_in(from);
      ASSERT_EQ(super->mask(from) & 1, 1U);
      if (is_edge(from, to)) {
        super->move(ForgedKey(), 1, from, to);
        EXPECT_EQ(super->mask(to) & 1, 1U);
        EXPECT_EQ(super->mask(from) & 1, 0U);
      } else {
        EXPECT_DEATH(super->move(ForgedKey(), 1, from, to), "internal check failed.*superslab.h");
      }
    }
  }
}

TEST(SuperSlabDeathTest, ASlotLeavesOnlyTheStateItIsIn) {
  const auto super = opened();
  super->move(ForgedKey(), 0xff, SlotState::kUnused, SlotState::kActive);
  EXPECT_DEATH(super->move(ForgedKey(), 0x80, SlotState::kUnused, SlotState::kActive),
               "check failed");
  EXPECT_DEATH(super->move(ForgedKey(), 0x180, SlotState::kActive, SlotState::kEmpty),
               "check failed");
  EXPECT_DEATH(super->move(ForgedKey(), 0x1, SlotState::kEmpty, SlotState::kActive),
               "check failed");
}

struct Move {
  uint32_t slots;
  uint32_t edge;
};

std::ostream& operator<<(std::ostream& out, const Move& move) {
  return out << std::hex << move.slots << " by " << move.edge;
}

TEST(SuperSlab, MasksDoWhatAnArrayOfStatesDoes) {
  constexpr std::array<std::array<SlotState, 2>, 4> kEdges = {{
      {SlotState::kUnused, SlotState::kActive},
      {SlotState::kEmpty, SlotState::kActive},
      {SlotState::kActive, SlotState::kEmpty},
      {SlotState::kActive, SlotState::kUnused},
  }};
  EXPECT_TRUE(rc::check("legal moves", [&] {
    const auto moves = *rc::gen::container<std::vector<Move>>(
        rc::gen::construct<Move>(rc::gen::arbitrary<uint32_t>(), rc::gen::inRange<uint32_t>(0, 4)));
    const auto super = opened();
    std::array<SlotState, 32> model;
    model.fill(SlotState::kUnused);
    for (const Move& move : moves) {
      const auto [from, to] = kEdges[move.edge];
      uint32_t slots = 0;
      for (uint32_t i = 0; i < 32; ++i) {
        if ((move.slots >> i & 1) == 0 || model[i] != from) continue;
        slots |= 1u << i;
        model[i] = to;
      }
      super->move(ForgedKey(), slots, from, to);
      uint32_t total = 0;
      for (const SlotState state : kStates) {
        for (uint32_t i = 0; i < 32; ++i) {
          RC_ASSERT((super->mask(state) >> i & 1) == (model[i] == state ? 1u : 0u));
        }
        total += super->count(state).count();
      }
      RC_ASSERT(total == 32u);
      RC_ASSERT(super->free_mask() == ~super->mask(SlotState::kActive));
    }
  }));
}

}  // namespace
}  // namespace hakmem
