#include "superslab/registry.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "unit/support.h"

namespace hakmem {
namespace {

using test::ForgedKey;

constexpr size_t kUnit = kSuperSlabBytes.count();

// A registry of its own, whose reservations start at `reserve`. What it maps stays mapped.
class SmallRegistry {
 public:
  explicit SmallRegistry(Bytes reserve)
      : config_([=](Config& c) { c.reserve_bytes = reserve.count(); }),
        registry_(std::make_unique<Registry>()) {
    registry_->open();
  }
  Registry* operator->() { return registry_.get(); }

  // Commits until there are `wanted` SuperSlabs; their addresses.
  std::vector<uintptr_t> commit(size_t wanted) {
    std::vector<uintptr_t> bases;
    while (bases.size() < wanted) {
      const SuperSlabRange range = registry_->commit_next();
      if (range.count == 0) break;
      for (uint32_t i = 0; i < range.count; ++i) {
        range.first[i].open(ForgedKey(), range.base + i * kUnit, 0);
        bases.push_back(range.base + i * kUnit);
      }
    }
    return bases;
  }

 private:
  test::ScopedConfig config_;
  std::unique_ptr<Registry> registry_;
};

TEST(Registry, GrowsBySmallReservationsWithoutEnd) {
  SmallRegistry registry(mib(4));
  const std::vector<uintptr_t> bases = registry.commit(400);
  ASSERT_GE(bases.size(), 400U);
  EXPECT_GT(registry->reservations(), 16U);
  EXPECT_EQ(registry->committed().count(), bases.size() * kUnit);
  size_t total = 0;
  for (uint32_t i = 0; i < registry->reservations(); ++i) {
    const Reservation& home = registry->reservation(i);
    EXPECT_EQ(home.size, mib(4).count() << i / 8) << "doubles every eight";
    EXPECT_EQ(home.base % kUnit, 0U);
    total += home.committed.load(std::memory_order_relaxed);
  }
  EXPECT_EQ(total, bases.size() * kUnit);
}

TEST(Registry, EveryAddressOfEveryReservationResolves) {
  SmallRegistry registry(mib(2));
  std::map<uintptr_t, SuperSlab*> known;
  for (const uintptr_t base : registry.commit(40)) {
    SuperSlab* super = registry->superslab_of(base);
    ASSERT_EQ(super->base(), base);
    ASSERT_TRUE(known.emplace(base, super).second) << "handed out twice";
    for (const size_t offset : {size_t{0}, size_t{1}, kUnit / 2 + 3, kUnit - 1}) {
      const Reservation* home = registry->find(base + offset);
      ASSERT_NE(home, nullptr);
      ASSERT_TRUE(home->holds(base + offset));
      ASSERT_EQ(registry->superslab_of(base + offset), super);
      ASSERT_EQ(registry->slot_of(base + offset), &super->slabs[offset >> kSlotShift]);
    }
  }
  EXPECT_GT(registry->reservations(), 8U);
  size_t visited = 0;
  registry->for_each_superslab([&](SuperSlab& super) {
    ++visited;
    EXPECT_EQ(known.at(super.base()), &super);
  });
  EXPECT_EQ(visited, known.size());
}

TEST(Registry, ForeignAddressesAreNobodys) {
  SmallRegistry registry(mib(2));
  const std::vector<uintptr_t> bases = registry.commit(12);
  int local = 0;
  const std::vector<uintptr_t> foreign = {0,
                                          1,
                                          kUnit,
                                          test::address_of(&local),
                                          test::address_of(&bases),
                                          uintptr_t{1} << 47,
                                          (uintptr_t{1} << 47) - 1,
                                          UINTPTR_MAX};
  for (const uintptr_t address : foreign) {
    EXPECT_EQ(registry->find(address), nullptr) << address;
    EXPECT_EQ(registry->tag_of(address), kUnusedTag) << address;
    EXPECT_EQ(registry->tag_of_acquire(address), kUnusedTag) << address;
  }
  for (uint32_t i = 0; i < registry->reservations(); ++i) {
    const Reservation& home = registry->reservation(i);
    const Reservation* before = registry->find(home.base - 1);
    const Reservation* behind = registry->find(home.base + home.size);
    EXPECT_NE(before, &home);
    EXPECT_NE(behind, &home);
    EXPECT_EQ(registry->find(home.base), &home);
    EXPECT_EQ(registry->find(home.base + home.size - 1), &home);
  }
}

TEST(Registry, ATagIsSetForItsSlotsAndNoOthers) {
  SmallRegistry registry(mib(4));
  const std::vector<uintptr_t> bases = registry.commit(30);
  std::map<uintptr_t, uint32_t> model;  // by slot
  for (const uintptr_t base : bases) {
    for (size_t slot = 0; slot < kSlotsPerSuperSlab; ++slot) {
      model[base + (slot << kSlotShift)] = kUnusedTag;
    }
  }
  test::Random random(1);
  for (uint32_t round = 0; round < 300; ++round) {
    const uintptr_t super = bases[random.below(bases.size())];
    const size_t first = random.below(kSlotsPerSuperSlab);
    const size_t slots = 1 + random.below(kSlotsPerSuperSlab - first);
    const uint32_t tag = make_tag(OwnerId(1 + static_cast<uint32_t>(random.below(kOwnerMax))),
                                  ClassIndex(static_cast<uint32_t>(random.below(kClasses))));
    const uintptr_t base = super + (first << kSlotShift);
    registry->set_tags(ForgedKey(), base, SlotCount(static_cast<uint32_t>(slots)), tag);
    for (size_t i = 0; i < slots; ++i) model[base + (i << kSlotShift)] = tag;
  }
  for (const auto& [slot, tag] : model) {
    ASSERT_EQ(registry->tag_of(slot), tag);
    ASSERT_EQ(registry->tag_of(slot + kSlotBytes.count() - 1), tag);
    ASSERT_EQ(registry->tag_of_acquire(slot + 1), tag);
  }
}

TEST(Registry, TagsOfTheWholeReservationAreReadableBeforeTheyAreCommitted) {
  SmallRegistry registry(mib(64));
  ASSERT_EQ(registry->reservations(), 1U);
  ASSERT_EQ(registry->committed(), Bytes(0));
  const Reservation& home = registry->primary();
  for (size_t offset = 0; offset < home.size; offset += kSlotBytes.count()) {
    ASSERT_EQ(registry->tag_of(home.base + offset), kUnusedTag);
  }
}

TEST(Registry, CommittedMemoryReadsAsZeroAndIsWritable) {
  SmallRegistry registry(mib(8));
  for (const uintptr_t base : registry.commit(6)) {
    char* bytes = reinterpret_cast<char*>(base);
    EXPECT_TRUE(test::all_zero(bytes, kUnit));
    std::memset(bytes, 0x5a, kUnit);
  }
}

TEST(Registry, WithoutAnOpenThereIsNothing) {
  const auto registry = std::make_unique<Registry>();
  EXPECT_EQ(registry->reservations(), 0U);
  EXPECT_EQ(registry->commit_next().count, 0U);
  EXPECT_EQ(registry->find(test::address_of(registry.get())), nullptr);
}

}  // namespace
}  // namespace hakmem
