// Failures that were found by reading, each as small as it gets.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "os/process.h"
#include "superslab/meta_arena.h"
#include "pool/shared_pool.h"
#include "large/huge.h"
#include "heap/inside.h"
#include "observe/invariants.h"

#include "hakmem/hakmem.h"

#include "fakeos/child.h"
#include "fakeos/fake_pages.h"
#include "fakeos/fake_process.h"
#include "fakeos/workload.h"

namespace hakmem::fakeos {
namespace {

constexpr size_t kSlot = kSlotBytes.count();

std::vector<void*> take_slots(uint32_t count) {
  std::vector<void*> blocks;
  for (uint32_t i = 0; i < count; ++i) {
    blocks.push_back(hak_malloc(kSlot));
    std::memset(blocks.back(), 0xff, kSlot);
  }
  return blocks;
}
void give_back(const std::vector<void*>& blocks) {
  for (void* block : blocks) hak_free(block);
  hak_thread_idle();
}
// So many in use that the pool keeps what the test gives back, until it decays.
void take_ballast() {
  for (int i = 0; i < 600; ++i) EXPECT_NE(hak_malloc(kSlot), nullptr);
}
// Slow paths enough for one of them to look at the clock.
void tick_after(uint64_t milliseconds) {
  advance_clock(Milliseconds(milliseconds));
  for (int i = 0; i < 10; ++i) {
    hak_free(hak_malloc(48));
    hak_thread_idle();
  }
}

// Each refused commit once reserved 64 MiB more and gave up the rest of the range before.
TEST(Regression, ARefusedCommitReservesNoOtherRange) {
  in_child("meta arena", [] {
    set_options(Shape::kDefault);
    hak_free(hak_malloc(1));
    arm(from(Call::kCommit, 0));
    use_up_meta_arena();
    const Held before = held_reserved();
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(meta_arena().allocate(Bytes(MetaArena::kCellMax)), nullptr);
    }
    EXPECT_EQ(held_reserved().ranges, before.ranges);
    disarm();
    EXPECT_NE(meta_arena().allocate(Bytes(MetaArena::kCellMax)), nullptr);
    EXPECT_EQ(held_reserved().ranges, before.ranges) << "the range it had goes on";
  });
}

// A reservation that could not be indexed once left its metadata's address space behind.
TEST(Regression, ARefusedReservationLeavesNothingBehind) {
  in_child("no leaf for the index", [] {
    set_options(Shape::kSmallReserve);
    registry().open();
    EXPECT_GT(registry().commit_next().count, 0U);
    EXPECT_NE(meta_arena().allocate(Bytes(MetaArena::kCellMin)), nullptr);
    arm(from(Call::kCommit, 0));
    use_up_meta_arena();
    const Held before = held_reserved();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(registry().commit_next().count, 0U);
    EXPECT_EQ(held_reserved().ranges, before.ranges);
    EXPECT_EQ(held_reserved().bytes, before.bytes);
    disarm();
    EXPECT_GT(registry().commit_next().count, 0U);
  });
}

// What a thread freed that never got a cache was once kept in 64 places, and the rest was lost.
TEST(Regression, AThreadWithoutACacheLosesNothing) {
  in_child("500 frees", [] {
    set_options(Shape::kDefault);
    std::vector<void*> blocks;
    for (size_t i = 0; i < 500; ++i) blocks.push_back(hak_malloc(1 + i * 60 % 200'000));
    arm(everything_from(0));
    use_up_meta_arena();
    Peer peer;
    peer.run([&blocks] {
      EXPECT_EQ(hak_malloc(100), nullptr);
      for (void* block : blocks) hak_free(block);
    });
    disarm();
    hak_trim();
    HeapWalk walk;
    EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
    EXPECT_EQ(walk.live_blocks(), 0U);
  });
}

// Its blocks are mappings of their own, and were once aligned to a page and no more.
TEST(Regression, AThreadWithoutACacheGetsItsAlignment) {
  in_child("commits are refused", [] {
    set_options(Shape::kDefault);
    arm(from(Call::kCommit, 0));
    for (size_t alignment = 16; alignment <= size_t{4} << 20; alignment *= 2) {
      for (int i = 0; i < 4; ++i) {
        void* block = hak_aligned_alloc(alignment, 5000);
        EXPECT_NE(block, nullptr);
        EXPECT_EQ(test::address_of(block) % alignment, 0U) << alignment;
      }
    }
  });
}

// malloc_trim once ended at the first refusal: a program that locked one page of one SuperSlab got
// nothing back of those that came after it.
TEST(Regression, OneLockedSuperSlabDoesNotKeepTheOthers) {
  in_child("10 SuperSlabs, a page of one is locked", [] {
    set_options(Shape::kDefault);
    take_ballast();
    const std::vector<void*> blocks = take_slots(10 * kSlotsPerSuperSlab);
    Script script = from(Call::kPurge, 0);
    script.begin = test::address_of(blocks[100]);
    script.size = 4096;
    give_back(blocks);
    arm(script);
    hak_trim();
    EXPECT_LE(pool().stats().empty_slots, kSlotsPerSuperSlab);
  });
}

// Blocks above 2 MiB could once not be had when the system refused a mapping, however much lay unused in
// the SuperSlabs.
TEST(Regression, AHugeBlockIsHadFromSuperSlabsWhenNoMappingIs) {
  in_child("mappings are refused", [] {
    set_options(Shape::kDefault);
    give_back(take_slots(10 * kSlotsPerSuperSlab));
    arm(from(Call::kMap, 0));
    char* block = static_cast<char*>(hak_malloc(size_t{5} << 20));
    EXPECT_NE(block, nullptr);
    EXPECT_EQ(hak_usable_size(block), size_t{5} << 20);
    std::memset(block, 0x5a, size_t{5} << 20);
    EXPECT_STREQ(check_heap(Threads::kStopped), nullptr);
    // Shrinks in place, grows by a copy.
    EXPECT_EQ(hak_realloc(block, size_t{3} << 20), block);
    char* grown = static_cast<char*>(hak_realloc(block, size_t{7} << 20));
    EXPECT_NE(grown, nullptr);
    EXPECT_TRUE(grown[0] == 0x5a && grown[(3 << 20) - 1] == 0x5a);
    void* clean = hak_calloc(1, size_t{3} << 20);
    EXPECT_TRUE(test::all_zero(clean, size_t{3} << 20)) << "its slots were dirty";
    hak_free(grown);
    hak_free(clean);
    EXPECT_EQ(huge_blocks().stats().in_slots, Bytes(0));
    HeapWalk walk;
    EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
    EXPECT_EQ(walk.live_blocks(), 0U);
  });
}

// What was committed on the way to a refusal once stayed, and nobody else could have it.
TEST(Regression, ARefusedHugeBlockUsesNothingUp) {
  in_child("mappings are refused", [] {
    set_options(Shape::kDefault);
    EXPECT_NE(hak_malloc(1), nullptr);
    const Bytes committed = registry().committed();
    arm(from(Call::kMap, 0));
    EXPECT_EQ(hak_malloc(size_t{1} << 30), nullptr) << "memory is short, for there is no limit";
    EXPECT_EQ(registry().committed(), committed);
    Script both = from(Call::kMap, 0);
    both.kinds |= bit_of(Call::kCommit);
    arm(both);
    EXPECT_EQ(hak_malloc(size_t{100} << 20), nullptr);
    EXPECT_EQ(registry().committed(), committed);
    arm(from(Call::kMap, 0));
    EXPECT_NE(hak_malloc(size_t{100} << 20), nullptr);
    EXPECT_GT(registry().committed(), committed);
    EXPECT_LE(registry().committed(), committed + mib(102)) << "what was missing, and no more";
  });
}

// A handler that interrupted its own thread in the pool once waited for that lock for ever.
TEST(Regression, AHandlersHugeBlockInSlotsWaitsForThePool) {
  in_child("freed under the pool's lock", [] {
    set_options(Shape::kDefault);
    give_back(take_slots(10 * kSlotsPerSuperSlab));
    arm(from(Call::kMap, 0));
    void* block = hak_malloc(size_t{5} << 20);
    EXPECT_NE(block, nullptr);
    {
      const Inside inside;
      EXPECT_EQ(hak_malloc(size_t{3} << 20), nullptr);
      EXPECT_EQ(hak_realloc(block, size_t{9} << 20), nullptr);
      EXPECT_EQ(hak_realloc(block, size_t{4} << 20), block) << "it is large enough";
      const os::LockGuard in_the_pool(pool().grow_lock());
      hak_free(block);
    }
    EXPECT_EQ(huge_blocks().stats().in_slots, mib(5));
    hak_free(hak_malloc(100));
    EXPECT_EQ(huge_blocks().stats().in_slots, Bytes(0)) << "freed at the end of the next slow path";
  });
}

// Decay counts what it purged as still there, so that what comes back is not new to it: slots that
// are taken and given back between two ticks all go to the system at every tick.
TEST(Regression, WhatComesBackWithinATickIsNotPurgedEachTime) {
  in_child("400 slots, 60 times", [] {
    set_options(Shape::kDefault);
    EXPECT_NE(hak_malloc(48), nullptr);
    take_ballast();
    arm(Script{});
    for (int round = 0; round < 60; ++round) {
      give_back(take_slots(400));
      tick_after(51);
    }
    EXPECT_LE(purged().count() / kSlot, 60U * 400 / 5);
  });
}

// Retained huge blocks whose time has come are unmapped for a millisecond of a tick; the next one goes on.
TEST(Regression, ATickUnmapsForAMillisecond) {
  in_child("32 retained blocks", [] {
    constexpr uint64_t kCostUs = 300;
    set_options(Shape::kDefault);
    // Makes the retained share large.
    EXPECT_NE(hak_malloc(size_t{2} << 30), nullptr);
    std::vector<void*> blocks;
    for (int i = 0; i < 32; ++i) blocks.push_back(hak_malloc(size_t{3} << 20));
    give_back(blocks);
    EXPECT_EQ(huge_blocks().stats().retained, mib(96));
    set_cost_us(Call::kUnmap, kCostUs);
    const uint64_t before = os::now_microseconds();
    tick_after(3000);
    EXPECT_LE(os::now_microseconds() - before, 3'000'000 + 1000 + kCostUs);
    EXPECT_LT(huge_blocks().stats().retained, mib(96));
  });
}

// C allows it, but no program expects it, and glibc never does: the block itself is large enough.
TEST(Regression, AShrinkingReallocIsNotRefused) {
  for (const size_t size : {size_t{1000}, size_t{20'000}, size_t{500'000}, size_t{5} << 20}) {
    in_child(std::to_string(size), [size] {
      set_options(Shape::kDefault);
      void* block = hak_malloc(size);
      arm(everything_from(0));
      while (hak_malloc(20) != nullptr) {
      }
      EXPECT_NE(hak_realloc(block, 20), nullptr);
    });
  }
}

}  // namespace
}  // namespace hakmem::fakeos
