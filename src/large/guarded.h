// large/guarded.h: one block of many lies beside a guard page.
//
// Responsibility  Find overflows and uses after free in running programs: a sample of the blocks up to a
//                 page, each on a page of its own between pages without access.
// Contract        open() once, while there is one thread. A freed block's page stays without access until at
//                 least kQuarantine others have been freed. A wrong access ends the process with a report
//                 that says who allocated the block and who freed it. The mappings are kSlots * 2 + 1 at
//                 most, and the pages kLiveMax. Callers hold an Inside; system calls are made without the
//                 lock. Lock rank kGuarded.
// Observable      The reports; GuardedStats.
// Composable      os/pages, os/fault, os/unwind, misuse. Used by heap.
#pragma once

#include <atomic>

#include "base/counter.h"
#include "base/units.h"
#include "os/fault.h"
#include "os/lock.h"
#include "superslab/misuse.h"

namespace hakmem {

// Written under the lock, so that anybody may read them without it.
struct GuardedStats {
  Counter allocated;
  Counter freed;
};

class GuardedBlocks {
 public:
  static constexpr uint32_t kSlots = 128;
  static constexpr uint32_t kLiveMax = 64;
  static constexpr uint32_t kQuarantine = kSlots - kLiveMax;

  constexpr GuardedBlocks() = default;

  // One allocation of `rate` on average; 0, or a refusal of the system: none.
  void open(uint64_t rate);
  bool on() const { return size_ != 0; }

  // Counts an allocation; true when it is one of the sample.
  bool draw();

  // Reads as zero. nullptr when it does not fit a page, or too many live.
  void* allocate(size_t size, size_t alignment);
  void release(void* block);
  bool holds(const void* block) const { return reinterpret_cast<uintptr_t>(block) - base_ < size_; }
  // What was asked for; ends the process when `block` is not a live block's start.
  size_t size_of(const void* block);

  // Another thread may have been at its frames.
  void begin_in_child();

  const GuardedStats& stats() const { return stats_; }
  os::Lock& lock() { return lock_; }

 private:
  static constexpr uint32_t kFramesMax = 16;
  struct Backtrace {
    uintptr_t frames[kFramesMax];
    uint32_t count;
  };
  enum class State : uint8_t { kNever, kLive, kFreed };
  // Begins as fresh memory.
  struct Slot {
    State state;
    uintptr_t block;
    size_t size;
    Backtrace allocated;
    Backtrace freed;
  };

  static void look(const os::Fault& fault);
  void explain(const os::Fault& fault) const;
  [[noreturn]] void report(Misuse kind, const Slot& slot, uintptr_t address, const char* action,
                           Trace here) const;
  uintptr_t page_of(uint32_t index) const { return base_ + (2 * size_t{index} + 1) * page_; }
  Slot& require_live(const void* block);
  void require_intact(uint32_t index) const;
  void give_back(uint32_t index);

  os::Lock lock_{os::LockRank::kGuarded};
  // Written by open().
  uintptr_t base_ = 0;
  size_t size_ = 0;
  size_t page_ = 0;
  uint64_t rate_ = 0;
  // sync: none. Whoever takes it to zero has drawn, and sets it anew.
  std::atomic<int64_t> left_{0};
  // Below: under lock_. Free slots, the one that is free for longest first.
  uint8_t free_[kSlots] = {};
  uint32_t first_free_ = 0;
  uint32_t free_count_ = 0;
  GuardedStats stats_;
  // A slot is whoever's who took it off the list. Reports read it as it is.
  Slot* slots_ = nullptr;
};

GuardedBlocks& guarded_blocks();

}  // namespace hakmem
