// pool/shared_pool.h: the one owner of every slot's state.
//
// Responsibility  Decide which slots serve which class, and for whom; give EMPTY ones back.
// Contract        acquire(): an ACTIVE slab owned by the caller, all its blocks free, or none when
//                 the system refuses. detach(slab), then release(slab): the caller owns it and
//                 every block is home; the caller then forgets it. adopt() and change_owner() move
//                 a slab to another owner. purge() claims before it calls the system: no system
//                 call under a shard's lock. unused + active + empty == 32 in every SuperSlab. A slab and
//                 its tags appear and change in one critical section, so fork finds it whole.
//                 acquire_huge(): slots of neighbouring SuperSlabs for one huge block, where the
//                 system refuses a mapping. Lock ranks kPurge, kGrow, kPool (one for each shard).
// Observable      PoolStats, PoolCounters; the walker checks masks, tags and records against each other.
// Composable      PoolShard, Registry, MetaArena, Decay, config. Used by front, heap. Knows no thread and
//                 no size policy.
#pragma once

#include "base/counter.h"
#include "os/lock.h"
#include "superslab/registry.h"
#include "pool/decay.h"
#include "pool/pool_shard.h"

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

struct PoolCounters {
  uint64_t acquires;
  uint64_t misses;  // acquires that found no run, before the pool grew or in vain
  uint64_t releases;
  uint64_t resizes;
  uint64_t purges;  // SuperSlabs whose EMPTY slots were claimed
  uint64_t purged_slots;
  uint64_t purge_refusals;
  uint64_t grows;
  uint64_t shared_fails;
  uint64_t decays;  // turns of the decay curve
  uint64_t huge_pages;  // SuperSlabs that the system was asked for a huge page for
};

struct PoolOverview {
  PoolStats stats;  // slots between two states count as UNUSED
  uint32_t slabs[kClasses];
};

class SharedPool {
 public:
  // Enough to keep as many threads apart as meet; more would only spread the heap.
  static constexpr uint32_t kShards = 8;

  // May the pool take SuperSlabs that were never used, those that other shards still need, and ask the
  // system for more?
  enum class Growth : bool { kForbidden, kAllowed };

  // What the caller knows of the slab's future. kDense: it has filled many of this class in a row. A SuperSlab that
  // a huge page was asked for is for those.
  enum class Density : bool { kUnknown, kDense };

  struct Acquired {
    Slab* slab = nullptr;
    // Every byte is known to read as zero: no slot of it had pages.
    bool zero = false;
  };

  constexpr SharedPool() = default;

  // `alignment` in slots, a power of two up to 32. `near`: the caller's last SuperSlab or nullptr.
  Acquired acquire(ClassIndex size_class, OwnerId owner, SuperSlab* near, SlotCount alignment,
                   Growth growth, Density density = Density::kUnknown);

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
  PoolCounters counters() const;
  // True once after each 16 MiB of one shard's slots that were taken or given back: much can change between
  // two ticks.
  bool take_notice() {
    if (!notice_.load(std::memory_order_relaxed)) [[likely]] return false;
    notice_.store(false, std::memory_order_relaxed);
    return true;
  }
  // ACTIVE or EMPTY, and huge blocks: what the process has of memory.
  Bytes used() const;
  // From counts alone: what it costs does not depend on the heap.
  void overview(PoolOverview* out);
  os::Lock& shard_lock(uint32_t shard) { return shards_[shard].lock(); }
  os::Lock& grow_lock() { return grow_lock_; }
  os::Lock& purge_lock() { return purge_lock_; }

 private:
  using Run = PoolShard::Run;
  // What an acquire asks each shard for.
  struct Request {
    ClassIndex size_class;
    OwnerId owner;
    SuperSlab* near;
    SlotCount alignment;
    uint64_t* bitmap;  // all ones; nullptr where the record has room
    uint32_t born;     // slab_clock()
    Density density;
  };
  enum class Others : bool { kDrained, kAny };

  // Holds the grow lock and every shard's: nobody moves a slot.
  class AllShards {
   public:
    explicit AllShards(SharedPool& pool);
    ~AllShards();
    AllShards(const AllShards&) = delete;
    AllShards& operator=(const AllShards&) = delete;

   private:
    SharedPool& pool_;
  };

  PoolShard& shard_of(const SuperSlab* super) { return shards_[super->shard()]; }
  PoolShard& home_of(OwnerId owner) { return shards_[owner.count() % kShards]; }
  Acquired find_slab(const Request& request, Growth growth);
  Acquired take_from(PoolShard& shard, const Request& request);
  Acquired take_from_held(PoolShard& shard, const Request& request);
  Acquired take_from_any(const Request& request);
  Acquired take_from_others(const PoolShard& home, const Request& request, Others others);
  bool open_fresh(PoolShard& shard);
  void open_fresh_held(PoolShard& shard);
  bool grow();
  enum class Grown : uint8_t { kRefused, kByOthers, kAsAsked };
  Grown grow_by(Bytes size);
  bool keep_fresh(const SuperSlabRange& range);
  static Slab* format(const Run& run, const Request& request);
  void note_moved(PoolShard& shard);

  // dense_growth.cpp
  bool grows_densely(const PoolShard& shard, const Request& request) const;
  void prepare_huge_page(PoolShard& shard);

  // huge_slots.cpp
  static Run find_huge(uint32_t slots);
  bool claim_huge(SlotCount slots, Run* found, bool* zero);
  template <class Visit>
  static void for_each_part(const Run& run, Visit visit);

  // purge.cpp
  struct Purged {
    uint32_t slots;
    bool more;
  };
  // A set of shards: bit i is shards_[i].
  using ShardMask = uint32_t;
  static constexpr ShardMask kAllShards = (1u << kShards) - 1;
  Bytes purge_down_to(SlotCount allowed, uint64_t deadline_us);
  // kAllButPages: a SuperSlab that is being filled keeps its page.
  enum class Reach : bool { kAllButPages, kAll };
  Purged purge_one(ShardMask shards, SlotCount allowed, Reach reach);
  PoolShard* fullest_shard(ShardMask shards);
  SuperSlab* claim_for_purge(ShardMask shards, SlotCount allowed, Reach reach, uint32_t* claimed);
  Purged purge_claimed(SuperSlab* super, uint32_t claimed);
  void forget_refusals();
  uint32_t empty_slots_of(ShardMask shards) const;
  SlotCount empty_slots() const { return SlotCount(empty_slots_of(kAllShards)); }
  SlotCount active_slots() const;
  // More EMPTY slots than may stay: perhaps, or certainly in this shard.
  enum class Surplus : uint8_t { kNone, kPerhaps, kOfShard };
  Surplus suspect_surplus(PoolShard& shard) const;
  SlotCount empty_slots_max() const;
  void purge_surplus(const PoolShard& shard, Surplus surplus);

  // Held while slots are claimed for purging: whoever finds the pool empty waits for them.
  os::Lock purge_lock_{os::LockRank::kPurge};
  os::Lock grow_lock_{os::LockRank::kGrow};
  PoolShard shards_[kShards];
  // Below: under grow_lock_.
  SuperSlabRange fresh_;  // committed, never opened
  Counter grows_;
  Counter shared_fails_;
  // relaxed: a statistic, counted without the lock.
  std::atomic<uint64_t> misses_{0};
  // Below: under purge_lock_.
  Decay decay_;
  // A refused purge (locked memory) would be refused again: not retried before this time.
  Milliseconds purge_again_;
  Counter purges_;
  Counter purged_slots_;
  Counter purge_refusals_;
  Counter decays_;
  Counter huge_pages_;
  // relaxed: hints. A line of their own: every release reads them.
  alignas(64) std::atomic<bool> notice_{false};
  std::atomic<bool> surplus_seen_{false};  // the last look found more EMPTY slots than may stay
  std::atomic<bool> has_fresh_{false};     // written under grow_lock_
  // sync: decay turn. Only one thread purges at a time; relaxed because the lock orders the data.
  std::atomic<uint64_t> next_decay_ms_{0};
};

SharedPool& pool();

}  // namespace hakmem
