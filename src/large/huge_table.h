// large/huge_table.h: which huge blocks there are, found by their address.
//
// Responsibility  Remember each huge block's size, whether huge pages were asked for it and were seen to be full, and in the
//                 hardened flavour its record.
// Contract        Open addressing, power-of-two capacity. Whoever inserts has made room before: a probe ends because
//                 entries stay unused. Memory for a larger table comes from outside, so that no system call is made
//                 under the lock. Not locked: the huge blocks' lock, but for none().
// Observable      blocks(), live(), in_slots(), asked(), full().
// Composable      superslab (records, registry). Used by huge.
#pragma once

#include <atomic>
#include <type_traits>

#include "base/units.h"
#include "superslab/block_record.h"

namespace hakmem {

class HugeTable {
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

 public:
  using Record = std::conditional_t<kHardened, KeptRecord, NoRecord>;
  struct Entry {
    uintptr_t address;  // 0: never used; kTombstone: removed
    size_t size : 62;
    size_t is_asked : 1;  // for huge pages, but for what it took of retained ones
    size_t is_full : 1;   // with huge pages, and it was seen that the program had written them
    [[no_unique_address]] Record record = {};
  };

  constexpr HugeTable() = default;

  // relaxed: a thread that holds a huge block has seen its insertion.
  bool none() const { return count_.load(std::memory_order_relaxed) == 0; }
  uint64_t blocks() const { return blocks_; }
  size_t live() const { return live_; }
  // Of live(): what the pool counts as ACTIVE slots too.
  size_t in_slots() const { return in_slots_; }
  // Of live(): what huge pages were asked for.
  size_t asked() const { return asked_; }
  // Of asked(): what was seen to be written.
  size_t full() const { return full_; }

  // A mapping of its own lies outside of every reservation.
  static bool is_in_slots(uintptr_t address);

  Entry* find(uintptr_t address);
  Entry& insert(uintptr_t address, size_t size);
  Entry remove(Entry& entry);
  void set_size(Entry& entry, size_t size);
  void set_asked(Entry& entry, bool is_asked);
  // Until it grows: nobody has seen what is in the rest.
  void set_full(Entry& entry);

  // Half of the entries are for threads that are between a look at this and their insert: more than there are.
  bool has_room() const { return used_ < capacity_ / 2; }
  // Entries that a next table should have; the first needs nothing from the system, which may refuse the mapping
  // that the first block would be.
  size_t next_capacity() const;
  bool takes_first() const { return capacity_ == 0; }
  void use_first() { rebuild(first_, kFirstCapacity); }
  static Bytes bytes_of(size_t capacity);
  struct Old {
    Entry* entries;
    size_t capacity;
  };
  // Moves everything into `fresh`, unless somebody was faster. Returns what is to be unmapped, which may be `fresh`
  // or nothing.
  Old rebuild(Entry* fresh, size_t capacity);

 private:
  void clear_full(Entry& entry);

  static constexpr size_t kFirstCapacity = 4096;

  static_assert(sizeof(Entry) == (kHardened ? 3 : 2) * sizeof(uintptr_t));

  Entry* table_ = nullptr;
  Entry first_[kFirstCapacity] = {};
  size_t capacity_ = 0;
  size_t used_ = 0;  // entries that are not "never used"
  uint64_t blocks_ = 0;
  std::atomic<uint64_t> count_{0};  // blocks_, for readers without the lock
  size_t live_ = 0;
  size_t in_slots_ = 0;
  size_t asked_ = 0;
  size_t full_ = 0;
};

}  // namespace hakmem
