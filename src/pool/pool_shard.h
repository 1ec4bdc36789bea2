// pool/pool_shard.h: the SuperSlabs that some owners take slots from first, under a lock of their own.
//
// Responsibility  Keep the SuperSlabs of one shard indexed by their runs, and move their slots between states.
// Contract        A SuperSlab belongs to the shard that opened it, for ever. What is not said to be for everybody
//                 is called, or read, under lock(). Several shards' locks are held only by whoever holds
//                 the grow lock, and taken in the order of the shards.
// Observable      empty_slots() and active_slots(), for everybody; ShardCounters.
// Composable      SuperSlab, config. Used by SharedPool, which decides between shards.
#pragma once

#include "base/counter.h"
#include "os/lock.h"
#include "superslab/registry.h"

namespace hakmem {

// Written under the shard's lock, so that anybody may read them without it.
struct ShardCounters {
  Counter acquires;
  Counter releases;
  Counter resizes;
};

// A line of its own for each lock, and for what one thread writes and another does not.
class alignas(64) PoolShard {
 public:
  // A run of slots of one SuperSlab.
  struct Run {
    SuperSlab* super = nullptr;
    uint32_t first = 0;
    uint32_t slots = 0;

    uintptr_t base() const { return super->base() + (size_t{first} << kSlotShift); }
    uint32_t mask() const { return run_mask(first, slots); }
  };

  constexpr PoolShard() = default;

  os::Lock& lock() { return lock_; }
  const os::Lock& lock() const { return lock_; }

  // EMPTY before UNUSED, the caller's SuperSlab before others, the tightest fit before wider ones.
  // `near`: a SuperSlab of this shard or nullptr. `avoided`: one that is kept for others, or nullptr. Run{} when
  // there is none.
  Run find_run(uint32_t slots, uint32_t alignment, SuperSlab* near, OwnerId owner, const SuperSlab* avoided) const;

  // UNUSED or EMPTY slots become ACTIVE; true when no slot of the run had pages.
  bool claim(const Run& run);
  // ACTIVE slots become EMPTY.
  void give_back(SuperSlab* super, uint32_t mask);
  // A SuperSlab that has never been used becomes this shard's.
  void open(SuperSlab* super, uintptr_t base, uint32_t shard);

  void count_slab(ClassIndex size_class) { ++slabs_[size_class.count()]; }
  void forget_slab(ClassIndex size_class) { --slabs_[size_class.count()]; }
  void forget_all_slabs();
  uint32_t slabs(uint32_t size_class) const { return slabs_[size_class]; }

  // An acquire ends the row of releases.
  void note_acquire() { releases_in_row_ = 0; }
  void note_release() { ++releases_in_row_; }
  // More slabs were released in a row than it still has slots, and than `floor`: little will come back.
  bool is_draining(uint32_t floor) const {
    return releases_in_row_ > floor && releases_in_row_ > active_slots();
  }
  // True once after each `slots` that were given back.
  bool take_given(uint32_t slots);
  // True once after each 16 MiB of its slots that were taken or given back.
  bool take_much_moved();

  // A SuperSlab that is UNUSED altogether becomes ACTIVE, in the caller's hands; nullptr when there is none, or others
  // have a free slot.
  SuperSlab* claim_unused();
  // It becomes EMPTY, with a huge page to come, for who fills slabs to fill it from `clock` on (slab_clock()).
  void end_claim_of_unused(SuperSlab* super, uint32_t clock);
  // The one for which a huge page was asked for last; nullptr when none ever was.
  SuperSlab* asked_for_page() const { return asked_for_page_; }
  // The same while it is being filled: until it is full once, a part of it is purged, or seconds have passed.
  // Else nullptr.
  const SuperSlab* page_in_filling(uint32_t clock) const {
    return is_filling_ && clock - filling_since_ < kFillingTime ? asked_for_page_ : nullptr;
  }

  // For purging: the longest EMPTY run first, so that one call gives back as much as possible. Passes over
  // those that refused, and `avoided`: a huge page that is purged in part is none any more.
  SuperSlab* next_to_purge(const SuperSlab* avoided) const;
  // After that found none: did others than `avoided` refuse?
  bool has_refused(const SuperSlab* avoided) const;
  // The SuperSlab's first EMPTY slots up to `most` become ACTIVE, in the purger's hands.
  uint32_t claim_empty(SuperSlab* super, uint32_t most);
  // What was claimed: `purged` of it becomes UNUSED, what is `refused` EMPTY again.
  void end_claim(SuperSlab* super, uint32_t purged, uint32_t refused);
  void forget_refusals();

  // For everybody.
  uint32_t empty_slots() const { return empty_slots_.load(std::memory_order_relaxed); }
  uint32_t active_slots() const { return active_slots_.load(std::memory_order_relaxed); }
  // EMPTY or UNUSED, or in a purger's hands.
  uint32_t free_slots() const { return opened_slots_.load(std::memory_order_relaxed) - active_slots(); }
  ShardCounters& counters() { return counters_; }
  const ShardCounters& counters() const { return counters_; }

 private:
  // Slower growth has little to gain.
  static constexpr uint32_t kFillingTime = 4000 / kSlabClockMs;

  // SuperSlabs by the length of their longest run; `occupied` bit r says list r is not empty.
  struct Index {
    SuperSlab* lists[kSlotsPerSuperSlab + 1] = {};
    uint64_t occupied = 0;
  };

  // placement.cpp
  Run find_run_of_tenant(uint32_t slots, uint32_t alignment, OwnerId owner) const;
  static Run run_in(SuperSlab* super, uint32_t mask, uint32_t slots, uint32_t alignment);
  template <SuperSlab::Link SuperSlab::*kLink>
  static SuperSlab* best_fit(const Index& index, uint32_t slots, uint32_t alignment, const SuperSlab* avoided);

  template <SuperSlab::Link SuperSlab::*kLink>
  static void move_in_index(Index& index, SuperSlab* super, uint8_t& place, uint32_t run);
  void reindex(SuperSlab* super);
  void count_slots(uint32_t empty, uint32_t active);

  os::Lock lock_{os::LockRank::kPool};
  // Below: under lock_.
  Index by_free_;
  Index by_empty_;
  uint32_t slabs_[kClasses] = {};
  uint32_t moved_since_notice_ = 0;
  uint32_t given_since_look_ = 0;
  uint32_t releases_in_row_ = 0;  // without an acquire between
  SuperSlab* asked_for_page_ = nullptr;
  uint32_t filling_since_ = 0;
  bool is_filling_ = false;
  ShardCounters counters_;
  // Written under lock_; relaxed for others, who want to know how much there is.
  std::atomic<uint32_t> opened_slots_{0};
  std::atomic<uint32_t> empty_slots_{0};
  std::atomic<uint32_t> active_slots_{0};
};

}  // namespace hakmem
