// pool/shared_pool.h: the one owner of every slot's state.
//
// Responsibility  Decide which slots serve which class, and for whom; give EMPTY ones back.
// Contract        acquire(): an ACTIVE slab owned by the caller, all its blocks free, or none when
//                 the system refuses. detach(slab), then release(slab): the caller owns it and
//                 every block is home; the caller then forgets it. adopt() and change_owner() move
//                 a slab to another owner. purge() claims before it calls the system: no system
//                 call under the lock. unused + active + empty == 32 in every SuperSlab. A slab and
//                 its tags appear and change in one critical section, so fork finds it whole.
//                 acquire_huge(): slots of neighbouring SuperSlabs for one huge block, where the
//                 system refuses a mapping. Lock ranks kPurge, kGrow, kPool.
// Observable      PoolStats, PoolCounters; the walker checks masks, tags and records against each other.
// Composable      Registry, MetaArena, Decay, config. Used by front, heap. Knows no thread and no size
//                 policy.
#pragma once

#include "base/counter.h"
#include "os/lock.h"
#include "superslab/registry.h"
#include "pool/decay.h"

namespace hakmem {

struct PoolStats {
  uint64_t unused_slots;
  uint64_t active_slots;
  uint64_t empty_slots;
  uint64_t acquires;
  uint64_t releases;
  uint64_t purged_slots;
  uint64_t purge_refusals;
  uint64_t grows;
  uint64_t shared_fails;  // acquires that found nothing although the system was asked
};

// Written under the pool's lock, so that anybody may read them without it.
struct PoolCounters {
  Counter acquires;
  Counter misses;  // acquires that found no run, before the pool grew or in vain
  Counter releases;
  Counter resizes;
  Counter purges;  // SuperSlabs whose EMPTY slots were claimed
  Counter purged_slots;
  Counter purge_refusals;
  Counter grows;
  Counter shared_fails;
  Counter decays;  // turns of the decay curve
};

struct PoolOverview {
  PoolStats stats;  // slots between two states count as UNUSED
  uint32_t slabs[kClasses];
};

class SharedPool {
 public:
  // May the pool take SuperSlabs that were never used, and ask the system for more?
  enum class Growth : bool { kForbidden, kAllowed };

  struct Acquired {
    Slab* slab = nullptr;
    // Every byte is known to read as zero: no slot of it had pages.
    bool zero = false;
  };

  constexpr SharedPool() = default;

  // `alignment` in slots, a power of two up to 32. `near`: the caller's last SuperSlab or nullptr.
  Acquired acquire(ClassIndex size_class, OwnerId owner, SuperSlab* near, SlotCount alignment,
                   Growth growth);

  // Takes the owner's name off the slab, under the lock of the cache that owns it.
  void detach(Slab* slab);

  // The slab is detached and every block is home. May purge, so that EMPTY slots are never more than
  // the ACTIVE ones and a constant.
  void release(Slab* slab);

  // A one-block slab grows into free neighbours, or gives its tail back; false when it cannot.
  // The caller holds the block.
  bool resize(Slab* slab, ClassIndex new_class);

  // The caller holds the block of this one-block slab, and takes the slab with it.
  void change_owner(Slab* slab, OwnerId owner);

  // The caller holds the slow-path lock of the parked cache that owned the slab so far.
  void adopt(Slab* slab, OwnerId owner);

  // More slots in a row than a SuperSlab has, every one ACTIVE and INTERIOR; 0 when there are none and
  // the system grants none. `zero` as in Acquired.
  uintptr_t acquire_huge(SlotCount slots, bool* zero);
  // Some or all of them, from `base` on.
  void release_huge(uintptr_t base, SlotCount slots);

  // Purges what the decay curve no longer allows, until `deadline_us` of os::now_microseconds(). Returns
  // the bytes the system took back.
  Bytes decay(Milliseconds now, uint64_t deadline_us);

  // Purges every EMPTY slot. Returns the bytes the system took back.
  Bytes purge_all();

  // In the child of fork, when the forking thread itself was not inside the allocator: slots of slabs that
  // a vanished thread was taking or giving back become EMPTY. (A huge block's, on their way between here
  // and its side table, are lost.)
  void repair_in_child();

  PoolStats stats();
  const PoolCounters& counters() const { return counters_; }
  // True once after each 16 MiB of slots that were taken or given back: much can change between two ticks.
  bool take_notice() {
    if (!notice_.load(std::memory_order_relaxed)) [[likely]] return false;
    notice_.store(false, std::memory_order_relaxed);
    return true;
  }
  // ACTIVE or EMPTY, and huge blocks: what the process has of memory.
  Bytes used() const;
  // From counts alone: what it costs does not depend on the heap.
  void overview(PoolOverview* out);
  os::Lock& lock() { return lock_; }
  os::Lock& grow_lock() { return grow_lock_; }
  os::Lock& purge_lock() { return purge_lock_; }

 private:
  // A run of slots of one SuperSlab.
  struct Run {
    SuperSlab* super = nullptr;
    uint32_t first = 0;
    uint32_t slots = 0;

    uintptr_t base() const { return super->base() + (size_t{first} << kSlotShift); }
    uint32_t mask() const { return run_mask(first, slots); }
  };
  // SuperSlabs by the length of their longest run; `occupied` bit r says list r is not empty.
  struct Index {
    SuperSlab* lists[kSlotsPerSuperSlab + 1] = {};
    uint64_t occupied = 0;
  };

  // placement.cpp
  Run find_run(uint32_t slots, uint32_t alignment, SuperSlab* near, OwnerId owner);
  Run find_run_of_tenant(uint32_t slots, uint32_t alignment, OwnerId owner);
  static Run run_in(SuperSlab* super, uint32_t mask, uint32_t slots, uint32_t alignment);
  static SuperSlab* best_fit(const Index& index, uint32_t slots, uint32_t alignment);
  Run run_in_fresh(uint32_t slots, uint32_t alignment, OwnerId owner);
  SuperSlab* open_fresh();

  // huge_slots.cpp
  static Run find_huge(uint32_t slots);
  bool claim_huge(SlotCount slots, Run* found, bool* zero);
  template <class Visit>
  static void for_each_part(const Run& run, Visit visit);

  bool claim(const Run& run);
  bool grow();
  bool grow_by(Bytes size);
  bool keep_fresh(const SuperSlabRange& range);
  void reindex(SuperSlab* super);
  void give_back(SuperSlab* super, uint32_t mask);
  static Slab* format(const Run& run, ClassIndex size_class, OwnerId owner, uint64_t* bitmap);
  // purge.cpp
  struct Purged {
    uint32_t slots;
    bool more;
  };
  Bytes purge_down_to(SlotCount allowed, uint64_t deadline_us);
  Purged purge_one(SlotCount allowed);
  SuperSlab* next_to_purge();
  static void forget_refusals();
  Purged purge_claimed(SuperSlab* super, uint32_t claimed);
  SlotCount empty_slots() const { return SlotCount(empty_slots_.load(std::memory_order_relaxed)); }
  SlotCount active_slots() const { return SlotCount(active_slots_.load(std::memory_order_relaxed)); }
  void count_slots(uint32_t empty, uint32_t active);
  void note_moved(uint32_t slots);
  SlotCount empty_slots_max() const;
  void purge_surplus();

  template <SuperSlab::Link SuperSlab::*kLink>
  static void move_in_index(Index& index, SuperSlab* super, uint8_t& place, uint32_t run);

  // Held while slots are claimed for purging: whoever finds the pool empty waits for them.
  os::Lock purge_lock_{os::LockRank::kPurge};
  os::Lock grow_lock_{os::LockRank::kGrow};
  os::Lock lock_{os::LockRank::kPool};
  // Below: under lock_.
  Index by_free_;
  Index by_empty_;
  SuperSlabRange fresh_;  // committed, never opened
  uint32_t slabs_[kClasses] = {};
  Decay decay_;
  // A refused purge (locked memory) would be refused again: not retried before this time.
  Milliseconds purge_again_;
  uint32_t slots_since_notice_ = 0;
  uint32_t releases_in_row_ = 0;  // without an acquire between
  PoolCounters counters_;
  // Written under lock_; relaxed for others, who want to know how much there is.
  std::atomic<uint32_t> empty_slots_{0};
  std::atomic<uint32_t> active_slots_{0};
  // relaxed: a hint.
  std::atomic<bool> notice_{false};
  // sync: decay turn. Only one thread purges at a time; relaxed because the lock orders the data.
  std::atomic<uint64_t> next_decay_ms_{0};
};

SharedPool& pool();

}  // namespace hakmem
