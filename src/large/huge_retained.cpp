// large: freed huge blocks that stay mapped (0025).
#include "base/bits.h"
#include "base/probe.h"
#include "os/latency.h"
#include "os/process.h"
#include "config/config.h"
#include "config/geometry.h"
#include "superslab/registry.h"
#include "pool/memory_limit.h"
#include "pool/shared_pool.h"
#include "large/huge.h"
#include "large/huge_mapping.h"

namespace hakmem {

namespace {

// Of one munmap while something decays.
constexpr size_t kDecayStep = size_t{4} << 20;
// More than the clock may be left alone with.
constexpr Bytes kNotice = mib(5);
// Of the process's limit on memory.
constexpr size_t kLimitShare = 16;

}  // namespace

void HugeBlocks::unmap_retained(const Range& range) {
  HAKMEM_PROBE(huge_unmap, range.address, range.size, 1);
  unmap_mapping(range.address, range.size);
}

void* HugeBlocks::take_retained(size_t size, size_t alignment) {
  os::LockGuard guard(lock_);
  const Range range = retained_.take(size, alignment);
  if (range.size == 0) return nullptr;
  void* block = reinterpret_cast<void*>(range.address);
  insert(block, range.size);
  return block;
}

// Nothing that is retained is large enough: the largest of it, with what is missing. Its pages need no fault.
HugeBlocks::Resized HugeBlocks::grow_retained(Bytes mapped, Contents contents, Bytes* fresh) {
  Range range;
  {
    os::LockGuard guard(lock_);
    // Another thread may have freed a larger one since.
    range = retained_.take_largest_below(mapped.count());
  }
  if (range.size == 0) return {};
  void* block = reinterpret_cast<void*>(range.address);
  const Bytes missing = mapped - Bytes(range.size);
  const Growth growth = contents == Contents::kAny ? Growth::kFull : Growth::kAny;
  make_way_for(range.address, Bytes(range.size), mapped, growth);
  const Resized grown = os::timed(
      os::Cause::huge_map, [=, this] { return resize_mapping(block, Bytes(range.size), mapped, growth); });
  if (grown.block == nullptr) {
    // A range of several mappings, most often: the next block that fits into it needs no system call.
    range.is_stuck = true;
    {
      os::LockGuard guard(lock_);
      if (keep(range)) return {};
      note_mapped();
      counters_.unmaps.add(1);
    }
    unmap_mapping(range.address, range.size);
    return {};
  }
  *fresh = missing;
  return grown;
}

// Under lock_. Pages of the system that retained ones might have saved.
void HugeBlocks::note_demand(Bytes size) {
  bound_.note_mapped(size, os::now_coarse(), Milliseconds(config().decay_ms));
}

// Under lock_.
Bytes HugeBlocks::heap() const { return registry().committed() + Bytes(table_.live()); }

// Under lock_.
bool HugeBlocks::retain(uintptr_t address, size_t size, Watch watch) {
  // A retained block could be read and written after its free.
  if constexpr (kHardened) return false;
  // Smaller ones are a signal handler's.
  if (size < kSuperSlabBytes.count() || HugeTable::is_in_slots(address)) return false;
  if (config().decay_ms == 0) return false;
  const Milliseconds now = os::now_coarse();
  bound_.note_live(Bytes(table_.live() + size), now, Milliseconds(config().decay_ms));
  const Bytes kept(retained_.bytes() + size);
  if (watch == Watch::kTicks) {
    const Bytes most = bound_.unwatched(heap());
    if (kept > most) {
      // Where it is all it can be, there is nothing to learn.
      const bool can_be_more = most < RetainBound::unwatched_most(heap());
      if (can_be_more) bound_.note_unmapped(Bytes(size), now, Milliseconds(config().decay_ms));
      return false;
    }
  }
  if (kept > bound_.beside(Bytes(table_.live()))) return false;
  // What is spare is so beside all that is mapped now. The heap may grow fast before it looks at the limit again.
  if (kept.count() > memory_limit().limit().count() / kLimitShare) return false;
  if (Bytes(size) > memory_limit().spare(pool().used())) return false;
  return keep(Range{address, size, now});
}

// Under lock_. False when there is no place for it.
bool HugeBlocks::keep(const Range& range) {
  if (!retained_.put(range)) return false;
  if (Bytes(retained_.bytes()) >= kNotice) notice_.store(true, std::memory_order_relaxed);
  note_mapped();
  return true;
}

// Under lock_. The oldest of what is as old as that, at most `size` of it.
HugeBlocks::Range HugeBlocks::evict(Milliseconds until, size_t size) {
  const Range gone = retained_.take_oldest(until, size);
  if (gone.size == 0) return gone;
  note_mapped();
  counters_.unmaps.add(1);
  return gone;
}

// Unmaps the oldest of what is retained, at most `size`, down to what `bound` says under the lock.
template <class Bound>
void HugeBlocks::unmap_beyond(Bound bound, size_t size) {
  size_t left = size;
  // Bounded, because others retain meanwhile.
  for (uint32_t turn = 0; turn < RetainedRanges::kMax && left != 0; ++turn) {
    Range gone;
    {
      os::LockGuard guard(lock_);
      const size_t most = bound();
      if (retained_.bytes() <= most) return;
      const size_t excess = round_up(retained_.bytes() - most, os::page_size().count());
      gone = evict(Milliseconds(UINT64_MAX), excess < left ? excess : left);
    }
    if (gone.size == 0) return;
    unmap_retained(gone);
    left -= gone.size;
  }
}

// Before `size` bytes are mapped: no more stays than may beside what will be live, `block` included.
void HugeBlocks::make_way(size_t size, size_t block) {
  unmap_beyond([&] { return bound_.beside(Bytes(table_.live() + block)).count(); }, size);
}

// The same before `size` bytes at that address become `next`, and what huge pages may add to that.
void HugeBlocks::make_way_for(uintptr_t address, Bytes size, Bytes next, Growth growth) {
  const Bytes most = growth == Growth::kFull ? in_whole_huge_pages(address, next) : next;
  make_way(most > size ? (most - size).count() : 0, most.count());
}

// The heap has become smaller, and may fall asleep.
void HugeBlocks::shrink_unwatched() {
  unmap_beyond([&] { return RetainBound::unwatched_most(heap()).count(); }, SIZE_MAX);
}

Bytes HugeBlocks::purge_all() {
  Bytes total;
  for (uint32_t turn = 0; turn < RetainedRanges::kMax; ++turn) {
    Range gone;
    {
      os::LockGuard guard(lock_);
      bound_.forget();
      gone = evict(Milliseconds(UINT64_MAX), SIZE_MAX);
    }
    if (gone.size == 0) break;
    unmap_retained(gone);
    total += Bytes(gone.size);
  }
  return total;
}

Bytes HugeBlocks::decay(Milliseconds now, uint64_t deadline_us) {
  const uint64_t keep_ms = config().decay_ms;
  if (keep_ms == UINT64_MAX || now.count() < keep_ms) return Bytes(0);
  const Milliseconds until = now - Milliseconds(keep_ms);
  Bytes total;
  do {
    Range gone;
    {
      os::LockGuard guard(lock_);
      gone = evict(until, kDecayStep);
      bound_.note_unused(Bytes(gone.size));
    }
    if (gone.size == 0) return total;
    unmap_retained(gone);
    total += Bytes(gone.size);
    // Whoever comes next goes on where this one stopped.
  } while (os::now_microseconds() < deadline_us);
  return total;
}

}  // namespace hakmem
