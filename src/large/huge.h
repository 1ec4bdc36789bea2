// large/huge.h: blocks above 2 MiB, each a mapping of its own, or a run of slots.
//
// Responsibility  Map, find, grow, retain and unmap huge blocks; ask for huge pages
//                 where they will be written from end to end (0023).
// Contract        A block is found by its address in a side table; nothing is stored in or before
// it.
//                 Growth is one mremap, or none into what is retained behind; a block of several mappings that came
//                 to lie side by side is refused. Freed blocks stay mapped and dirty under the decay time, within
//                 bounds (0025). Where the system refuses a mapping (address space or
//                 mappings are used up), slots of the pool serve. No system call under the lock. Lock rank
//                 kHuge.
// Observable      HugeStats, HugeCounters.
// Composable      os/pages, os/lock, config, registry, pool. Used by heap.
#pragma once

#include <atomic>

#include "base/counter.h"
#include "base/units.h"
#include "os/lock.h"
#include "large/huge_density.h"
#include "large/huge_table.h"
#include "large/retain_bound.h"
#include "large/retained_ranges.h"

namespace hakmem {

struct HugeStats {
  uint64_t blocks;
  Bytes live;
  Bytes in_slots;  // of live: what the pool counts as ACTIVE slots too
  Bytes retained;
  uint64_t maps;
  uint64_t unmaps;
};

// Written under the lock of the huge blocks, so that anybody may read them without it.
struct HugeCounters {
  Counter maps;
  Counter unmaps;
  Counter dense;
};

class HugeBlocks {
 public:
  constexpr HugeBlocks() = default;

  // Slots need the pool's locks, which a signal handler's own thread may hold.
  enum class FromSlots : bool { kForbidden, kAllowed };

  enum class Contents : bool { kAny, kZero };

  // Who gives back what nobody asks for again: ticks, which may never come, or a thread.
  enum class Watch : bool { kTicks, kThread };

  // nullptr when refused.
  void* allocate(Bytes size, Bytes alignment, FromSlots from_slots, Contents contents);

  bool none() const { return table_.none(); }

  // False when `block` is not a huge block of ours.
  bool release(void* block, Watch watch = Watch::kThread);

  // Bytes behind `block`; 0 when it is not one of ours.
  Bytes size_of(const void* block);

  // Hardened flavour: what is known of the block beside its size. False when it is not one of ours.
  bool set_record(const void* block, BlockRecord record);
  bool find_record(const void* block, BlockRecord* record, Bytes* size);

  // Where the block lies afterwards; nullptr when refused, then it is untouched.
  void* resize(void* block, Bytes new_size, Watch watch = Watch::kThread);

  // Unmaps what was retained longer than the decay time, until `deadline_us` of os::now_microseconds(). Returns
  // the bytes.
  Bytes decay(Milliseconds now, uint64_t deadline_us);

  // Unmaps everything that is retained, and forgets what was missed. Returns the bytes.
  Bytes purge_all();

  // True once after some MiB were retained: they may go back although nobody ticks.
  bool take_notice() {
    if (!notice_.load(std::memory_order_relaxed)) [[likely]] return false;
    notice_.store(false, std::memory_order_relaxed);
    return true;
  }

  HugeStats stats();
  const HugeCounters& counters() const { return counters_; }
  os::Lock& lock() { return lock_; }

 private:
  using Range = RetainedRanges::Range;

  HugeTable::Entry* find(const void* block);
  HugeTable::Entry& insert(const void* block, size_t size);
  bool make_room();
  void* take_retained(size_t size, size_t alignment);
  bool retain(uintptr_t address, size_t size, Watch watch);
  bool keep(const Range& range);
  void note_demand(Bytes size);
  void* resize_watched(void* block, Bytes new_size, Watch watch);
  bool resize_in_place(HugeTable::Entry& entry, size_t size, Watch watch);
  void give_up_tail(HugeTable::Entry& entry, size_t size);
  void* keep_front(void* block, size_t old_size, size_t new_size);
  static Bytes in_whole_huge_pages(uintptr_t address, Bytes size);
  bool wants_huge_pages(Bytes size, Contents contents);
  bool expects_dense(Bytes size, Bytes full = Bytes(0)) const;
  bool still_wants(Bytes size) const;
  void note_asked(HugeTable::Entry& entry);
  // kFull: what is to grow is full, or its pages are there already. kStep: it grows by too little for a look, or shrinks.
  enum class Growth : uint8_t { kStep, kAny, kFull };
  bool advise_growth(void* block, Bytes size, Bytes grown, Growth growth, Bytes full);
  struct Resized {
    void* block = nullptr;
    Bytes size;
    bool asked = false;  // huge pages are to be asked for, or were before it grew
  };
  Resized map_new(Bytes mapped, Bytes alignment, FromSlots from_slots, Contents contents);
  void* map_or_purge(Bytes size, Bytes alignment);
  static Resized take_slots(Bytes mapped, Bytes alignment, Contents contents);
  Resized grow_retained(Bytes mapped, Contents contents, Bytes* fresh);
  Resized resize_mapping(void* block, Bytes size, Bytes next, Growth growth, Bytes full = Bytes(0));
  void watch_grown(const void* block, Bytes size, Bytes fresh);
  enum class Looks : uint8_t { kUnknown, kSparse, kDense };
  static Looks look_at(const void* block, Bytes size);
  static Looks look_into(const void* block, Bytes size);
  Looks learn_from(const void* block, Bytes next_size);
  void learn_from_live(Bytes wanted);
  void unmap_mapping(uintptr_t address, size_t size);
  bool has_asked() const;
  static void prepare_to_learn();
  void note_live();
  void note_mapped() const;
  Range evict(Milliseconds until, size_t size);
  template <class Bound>
  void unmap_beyond(Bound bound, size_t size);
  void unmap_retained(const Range& range);
  void make_way(size_t size, size_t block);
  void make_way_for(uintptr_t address, Bytes size, Bytes next, Growth growth);
  void shrink_unwatched();
  Bytes heap() const;

  os::Lock lock_{os::LockRank::kHuge};
  // sync: none. Whoever takes it looks for itself.
  std::atomic<bool> notice_{false};
  // sync: none. A hint about pages that whoever looks has.
  std::atomic<bool> has_asked_{false};
  // Below: under lock_.
  HugeTable table_;
  RetainedRanges retained_;
  RetainBound bound_;
  HugeDensity density_;
  HugeCounters counters_;
};

HugeBlocks& huge_blocks();

}  // namespace hakmem
