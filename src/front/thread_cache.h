// front/thread_cache.h: a thread's cache of free blocks, and the slabs it owns.
//
// Responsibility  Everything behind the fast path: refill and flush the stacks, own slabs, send and
//                 receive remote frees, give back what a tick finds unused.
// Contract        The stacks are the owner's alone. Slabs, their bitmaps and lists belong to
// whoever
//                 holds lock(); no system call is made while holding it. Refills take the lowest
//                 free blocks; a flush returns the oldest. Every address that enters a bitmap is
//                 checked: tag mine, on a block boundary, bit 0; else the process ends with one
//                 line. A cache is never destroyed: it is parked, and taken over with its slabs.
//                 Lock rank kCache.
// Observable      CacheStats; visit_cached() for the walker.
// Composable      pool, superslab, message, budget, cache_list. Used by heap.
#pragma once

#include <type_traits>

#include "base/counter.h"
#include "os/lock.h"
#include "superslab/slab_pages.h"
#include "pool/shared_pool.h"
#include "front/cache_front.h"
#include "front/class_figures.h"
#include "front/message.h"
#include "front/quarantine.h"
#include "front/slab_list.h"
#include "front/stack_layout.h"

namespace hakmem {

struct CacheStats {
  // The owner's.
  Counter slow_paths;
  Counter refills;
  Counter flushes;
  Counter messages_sent;
  Counter blocks_sent;  // in them
  Counter messages_received;
  Counter slabs_acquired;
  Counter slabs_adopted;
  Counter large_taken;  // freed here, and their slabs with them
  Counter ticks;
  Counter inbox_atomics;   // locked instructions on inboxes, its own and others'
  Counter budget_atomics;  // and on the sum of all budgets
  // Under lock().
  Counter slabs_released;
  Counter drains;         // of its inbox, into the bitmaps
  Counter parked_atomics;  // locked instructions that say what parked caches have to give
};

// Which pages under free blocks may go back: those of slabs that nobody uses now, or all.
enum class Holes : bool { kQuiet, kAll };

struct ProfiledThread;

struct HoleClaim {
  Slab* slab = nullptr;
  PageRun run;
};

class ThreadCache : public CacheFront {
 public:
  // What the walker is told about each address that is cached or on its way.
  enum class CachedWhere : bool { kStack, kMessage };
  using VisitBlock = void (*)(void* context, const void* block, OwnerId home, CachedWhere where);

  explicit ThreadCache(OwnerId id)
      : CacheFront(make_tag(id, ClassIndex(0)), empty_stack(), no_message()),
        id_(id),
        figures_(registry().primary()) {
    const Reservation& primary = registry().primary();
    base = primary.base;
    size = primary.size;
    tags = primary.tags;
  }

  OwnerId id() const { return id_; }
  os::Lock& lock() { return lock_; }
  const CacheStats& stats() const { return stats_; }

  // --- The owning thread only.

  // The stack of this class is empty. `zero` is set when the block is known to read as zero.
  void* allocate(ClassIndex size_class, bool* zero);

  // A one-block slab with alignment above a slot's.
  void* allocate_aligned(ClassIndex size_class, SlotCount alignment, bool* zero);

  // The stack of this class is full; the block's tag names this cache.
  void deallocate(ClassIndex size_class, void* block);

  // A block whose tag names another cache.
  void deallocate_remote(uint32_t tag, void* block);

  // A slow path was passed: one that takes none of the calls above and below must say so, or ticks stay away.
  void count_slow_path();

  // Sends messages and empties the stacks. Afterwards the cache may park; the places of the stacks and
  // the kept slabs are the next thread's.
  void leave();

  // Gives those back too. The caller owns the cache: it is parked and off the list, or its thread has left.
  void retire();
  bool retired() const { return retired_; }

  // Gives back what nobody needs now: cached blocks, empty slabs, mail. The cache stays in use, and its
  // stacks where they are.
  void trim();

  // Blocks between the program's free and the stacks; hardened flavour only.
  using OwnQuarantine = std::conditional_t<kHardened, Quarantine, NoQuarantine>;
  OwnQuarantine& quarantine() { return quarantine_; }
  using OwnFigures = std::conditional_t<kHardened, ClassFigures, NoFigures>;
  const OwnFigures& figures() const { return figures_; }

  // os::thread_identity() of the thread that owns this cache; 0 while parked.
  uintptr_t owner_thread() const { return owner_thread_; }
  void set_owner_thread(uintptr_t identity) { owner_thread_ = identity; }

  // True once in the life of each owner: its exit handler then waits for another round.
  bool take_exit_round() {
    const bool first = !exit_round_taken_;
    exit_round_taken_ = true;
    return first;
  }

  // True once after each tick: whoever lies above the caches has its own deferred work.
  bool take_tick_notice() {
    const bool ticked = ticked_;
    ticked_ = false;
    return ticked;
  }

  // --- Anybody who holds no cache's lock.

  // Moves waiting messages into the bitmaps. `wait` false: gives up when the lock is taken. Returns
  // what is to be returned with return_strays() when no lock is held: messages whose blocks another
  // cache owns by now.
  Message* drain_inbox(bool wait);
  // The same for an inbox in which nothing has moved since the last call: its owner sleeps. One thread at a
  // time calls it.
  Message* drain_stale_inbox();
  static void return_strays(Message* strays);
  bool has_mail() const { return inbox_.has_mail(); }

  // Takes one block past the stacks, for a thread that has no cache any more or does not want its own to
  // serve it; nullptr when none. `alignment`: as allocate_aligned().
  void* borrow_block(ClassIndex size_class, bool* zero, SlotCount alignment = SlotCount(1));

  // Puts a block straight into the bitmap of the cache that owns it.
  static void return_home(void* block);

  // Moves a partly free slab of this parked cache to the adopter, whose lock is held; false when
  // there is none or the cache is busy.
  bool give_for_adoption(ClassIndex size_class, ThreadCache* adopter);

  // For HolePurge, under lock(). Takes the blocks on the slab's holes out of its bitmap; returns how many
  // claims it wrote.
  uint32_t claim_holes(Slab* slab, Holes which, HoleClaim* claims, uint32_t room);
  // True when the slab is a kept one that nobody came back for since a pass; it is detached then.
  bool give_up_kept(Slab* slab);
  // Without a lock. Puts the blocks back into whichever cache owns the slab now.
  static void return_hole(const HoleClaim& claim, bool purged);
  static void release_chain(Slab* chain);

  // Empty slabs kept for the next refill go to the pool: all, or (the owner only) those of classes
  // that have not been refilled since the last call.
  enum class KeptSlabs : bool { kAll, kIdle };
  void release_kept_slabs(KeptSlabs which);

  // --- The cache list and fork.

  // The slabs on the lists of a parked cache may be adopted; the cache list counts them. Needs
  // lock(), or a process of one thread.
  void set_parked(bool parked);

  // In the child of fork: the owner has vanished between two instructions of its own.
  void orphan() { orphan_ = true; }
  bool is_orphan() const { return orphan_; }
  bool parked() const { return parked_.load(std::memory_order_seq_cst); }
  // Empties what the vanished owner left, but for the entries it may have been working on.
  void settle_orphan();

  // --- Walkers, with the owner stopped.
  void visit_cached(void* context, VisitBlock visit) const;
  const SlabList& slabs_with_free_blocks(ClassIndex size_class) const {
    return classes_[size_class.count()].slabs;
  }
  // Bytes of blocks on the stacks when they last met a slow path.
  Bytes cached_bytes() const;
  uint32_t blocks_on_stack(ClassIndex c) const {
    return classes_[c.count()].published_depth.load(std::memory_order_relaxed);
  }

  // Gated, no block is popped without its bytes being counted: small requests miss, larger classes' stacks are
  // watched at every step. The owner's, inside.
  void set_gated(bool gated);
  // Of a class above kTinyMax, inside: what a hit would do, where there is nothing else to do; else nullptr, false.
  void* step_down(ClassIndex size_class);
  bool step_up(ClassIndex size_class, void* block);
  // What the profiler keeps for its thread; made once.
  ProfiledThread* profiled = nullptr;

  // The cache list's own; see CacheList.
  ThreadCache* parked_next = nullptr;
  Milliseconds parked_since;

 private:
  struct ClassState {
    void** bottom = nullptr;       // the NULL under the stack; nullptr before its first use
    SlabList slabs;                // with at least one free block; under lock()
    Slab* kept = nullptr;          // the one slab that may stay although all free; under lock()
    void* fenced_block = nullptr;  // what the fence stands in place of
    void** long_place = nullptr;   // a cell of its own, once the class has grown
    uint16_t fence = 0;            // entry that was replaced by NULL; 0: no fence
    uint16_t tripwire = 0;         // entries below a wall that is not the capacity's; 0: none, or at the bottom
    uint16_t capacity = 0;         // entries below the wall
    uint16_t low_water = 0;        // lowest depth met on a slow path since the last tick
    // sync: none, a statistic. Depth after the last slow path, for other threads to read.
    std::atomic<uint16_t> published_depth{0};
    bool flushed = false;        // since the last refill
    bool refilled = false;       // since the last tick
    bool shrinks = false;        // when next met: the entries below low_water are idle
    uint8_t refills_in_row = 0;  // without a flush between
    uint8_t slabs_in_row = 0;    // from the pool, and none released or given away between; under lock()
    uint16_t flushed_in_row = 0;  // blocks, without a refill between
  };

  ClassState& state_of(ClassIndex c) { return classes_[c.count()]; }
  // Entries on the stack; the owner's to ask, or a stopped owner's. More than room() when the top is a
  // stale one.
  uint32_t depth(ClassIndex c) const {
    void** bottom = classes_[c.count()].bottom;
    return bottom == nullptr ? 0 : static_cast<uint32_t>(tops[c.count()] - bottom - 1);
  }
  void set_depth(ClassIndex c, uint32_t entries);

  // thread_cache.cpp: refill and flush.
  void empty_quarantine();
  void* refill(ClassIndex c);
  void* take_large(ClassIndex c, SlotCount alignment, bool* zero);
  uint32_t take_from_list(ClassIndex c, void** end, uint32_t want);
  SharedPool::Density density_of(ClassIndex c);
  bool find_slab(ClassIndex c);
  uint32_t take_from_new_slab(ClassIndex c, void** end, uint32_t want);
  void put_on_stack(ClassIndex c, void* block);
  void flush(ClassIndex c, uint32_t keep);
  void note_flushed(ClassIndex c, uint32_t kept);
  void give_up_blocks();

  // slab_ownership.cpp: blocks come home, slabs come and go.
  void put_blocks(void** blocks, uint32_t count);
  void put_blocks_locked(void** blocks, uint32_t count, Slab** released);
  static void** put_run(Slab* slab, void** blocks, void** end);
  Slab* slab_of_mine(const void* block) const;
  bool after_put(Slab* slab);
  void list(Slab* slab, bool in_front);
  void unlist(Slab* slab);
  void detach(Slab* slab);
  void note_adoptable(ClassIndex c, int32_t slabs);
  bool return_block(void* block);

  // slab_holes.cpp: pages under free blocks.
  static bool is_quiet(Slab* slab, Holes which);
  bool take_back(const HoleClaim& claim, bool purged);

  // class_stack.cpp: the life of one stack.
  void materialise(ClassIndex c);
  void grow(ClassIndex c);
  bool move_to_long_place(ClassIndex c);
  void mend(ClassIndex c) {
    if (depth(c) > room(c)) [[unlikely]] mend_slow(c);
  }
  void mend_slow(ClassIndex c);
  void shrink(ClassIndex c, uint32_t going);
  void shrink_if_idle(ClassIndex c);
  void shrink_when_met(ClassIndex c);
  bool is_untouched(ClassIndex c) const;
  void lower_capacity(ClassIndex c);
  void set_capacity(ClassIndex c, uint32_t capacity);
  // Entries that fit the place in use.
  uint32_t room(ClassIndex c) const {
    const ClassState& state = classes_[c.count()];
    if (state.bottom == nullptr) return 0;
    return state.bottom == state.long_place ? stack_layout(c).long_entries
                                              : short_entries(c);
  }
  // Gated, and no class table stands before this class.
  bool is_counted_here(ClassIndex c) const { return is_gated() && c.count() >= kTinyClasses; }
  void** short_place(ClassIndex c) { return short_places_ + stack_layout(c).short_place; }
  void watch(ClassIndex c, uint32_t half);
  void set_fence(ClassIndex c, uint32_t entry);
  void lift_fence(ClassIndex c);
  void set_tripwire(ClassIndex c, uint32_t entries);
  void lift_tripwire(ClassIndex c);
  void empty_stacks();
  void empty_stack_of(ClassIndex c);
  void reset_capacity(ClassIndex c);
  void drop_stack(ClassIndex c);

  // remote.cpp: messages.
  void forward(uint32_t tag, void* block);
  void close(Message*& message);
  Message* take_message(OwnerId owner);
  void keep_message(Message* message);
  void drop_spare_messages();
  void receive();
  bool make_room_for_mail(ClassIndex c);
  void send(Message* message);
  void send_all();
  void keep_strays(Message* message, Slab** released);

  // gate.cpp: a profiled thread's.
  void watch_counted();
  static bool is_fenced_at(const ClassState& state, uint32_t entries);
  bool may_step(const ClassState& state, uint32_t entries);

  // tick.cpp: bounded deferred work.
  void tick(Milliseconds now);

  const OwnerId id_;
  os::Lock lock_{os::LockRank::kCache};
  Inbox inbox_;
  SuperSlab* near_ = nullptr;  // where the last slab came from
  CacheStats stats_;
  // Nodes that came with blocks and will go out again: no lock for either. The owner's.
  Message* spare_messages_ = nullptr;
  uint32_t spare_message_count_ = 0;
  const void* newest_seen_ = nullptr;  // drain_stale_inbox()'s
  uint32_t slow_paths_left_ = 0;
  uint32_t attention_ = 0;  // close watches left until the next tick
  uint32_t steps_left_ = 0;  // gated: until the next slow path
  Milliseconds last_tick_;
  uintptr_t owner_thread_ = 0;
  bool ticked_ = false;
  bool exit_round_taken_ = false;
  bool retired_ = true;  // no stack has a place, and no slab is kept
  // sync: parked. Written under lock_. A sender pushes its message, then looks here; the parker
  // writes here, then looks for mail: seq_cst on both sides, so that one of them sees the other.
  std::atomic<bool> parked_{false};
  bool orphan_ = false;
  ClassState classes_[kClasses];
  [[no_unique_address]] OwnQuarantine quarantine_;
  [[no_unique_address]] const OwnFigures figures_;
  // Last, because classes that are never used leave their part of it untouched; a full one fills two cache
  // lines.
  alignas(64) void* short_places_[kShortWords];
};

}  // namespace hakmem
