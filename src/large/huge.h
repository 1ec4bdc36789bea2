// large/huge.h: blocks above 2 MiB, each a mapping of its own, or a run of slots.
//
// Responsibility  Map, find, grow, retain and unmap huge blocks.
// Contract        A block is found by its address in a side table; nothing is stored in or before
// it.
//                 Growth is one mremap. Freed blocks stay mapped and dirty under the decay time, and
//                 are reused when at most a quarter too large. Where the system refuses a mapping
//                 (address space or mappings are used up), slots of the pool serve. No
//                 system call under the lock. Lock rank kHuge.
// Observable      HugeStats, HugeCounters.
// Composable      os/pages, os/lock, config, registry, pool. Used by heap.
#pragma once

#include <atomic>
#include <type_traits>

#include "base/counter.h"
#include "base/units.h"
#include "os/lock.h"
#include "superslab/block_record.h"

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
};

class HugeBlocks {
 public:
  constexpr HugeBlocks() = default;

  // Slots need the pool's locks, which a signal handler's own thread may hold.
  enum class FromSlots : bool { kForbidden, kAllowed };

  // nullptr when refused. `zero` is set when the block is known to read as zero.
  void* allocate(Bytes size, Bytes alignment, FromSlots from_slots, bool* zero);

  // relaxed: a thread that holds a huge block has seen its insertion.
  bool none() const { return count_.load(std::memory_order_relaxed) == 0; }

  // False when `block` is not a huge block of ours.
  bool release(void* block);

  // Bytes behind `block`; 0 when it is not one of ours.
  Bytes size_of(const void* block);

  // Hardened flavour: what is known of the block beside its size. False when it is not one of ours.
  bool set_record(const void* block, BlockRecord record);
  bool find_record(const void* block, BlockRecord* record, Bytes* size);

  // Where the block lies afterwards; nullptr when refused, then it is untouched.
  void* resize(void* block, Bytes new_size);

  // Unmaps what was retained longer than the decay time (or everything). Returns the bytes.
  Bytes purge(Milliseconds now, bool everything);

  HugeStats stats();
  const HugeCounters& counters() const { return counters_; }
  os::Lock& lock() { return lock_; }

 private:
  struct KeptRecord {
    uint64_t word = kNeverRecord;
    void set(BlockRecord record) { word = record.word(); }
    BlockRecord get() const { return BlockRecord(static_cast<uint32_t>(word)); }
  };
  struct NoRecord {
    void set(BlockRecord) {}
    BlockRecord get() const { return BlockRecord(kNeverRecord); }
  };
  using Record = std::conditional_t<kHardened, KeptRecord, NoRecord>;
  struct Entry {
    uintptr_t address;  // 0: never used; kTombstone: removed
    size_t size;
    [[no_unique_address]] Record record = {};
  };
  struct Retained {
    uintptr_t address;
    size_t size;
    Milliseconds since;
  };
  static constexpr uint32_t kRetainedMax = 32;
  // Half of it is more than the threads that can be between make_room() and insert().
  static constexpr size_t kInitialCapacity = 4096;

  static_assert(sizeof(Entry) == (kHardened ? 3 : 2) * sizeof(uintptr_t));

  Entry* find(uintptr_t address);
  Entry& insert(uintptr_t address, size_t size);
  Entry* rebuild(Entry* fresh, size_t capacity);
  bool remove(uintptr_t address, size_t* size);
  bool make_room();
  void* take_retained(size_t size, size_t alignment);
  bool retain(uintptr_t address, size_t size);
  void* map_new(Bytes mapped, Bytes alignment, FromSlots from_slots, size_t* size, bool* zero);
  void* keep_front(void* block, size_t old_size, size_t new_size);
  void note_mapped() const;
  bool evict_oldest(Retained* out);
  Bytes make_way(size_t size);

  os::Lock lock_{os::LockRank::kHuge};
  // Below: under lock_. Open addressing, power-of-two capacity, half full at most when a block is
  // wanted.
  Entry* table_ = nullptr;
  // Needs nothing from the system, which may refuse the mapping that the first block would be.
  Entry first_table_[kInitialCapacity] = {};
  size_t capacity_ = 0;
  size_t used_ = 0;  // entries that are not "never used"
  Retained retained_[kRetainedMax] = {};
  uint32_t retained_count_ = 0;
  size_t retained_bytes_ = 0;
  uint64_t blocks_ = 0;
  std::atomic<uint64_t> count_{0};  // blocks_, for readers without the lock
  size_t live_bytes_ = 0;
  size_t in_slots_ = 0;
  HugeCounters counters_;
};

HugeBlocks& huge_blocks();

}  // namespace hakmem
