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

// On a tick of a thread that wanted to allocate or free.
constexpr uint64_t kPurgeBudgetUs = 1000;
// Of one munmap in it.
constexpr size_t kPurgeStep = size_t{4} << 20;
constexpr Bytes kNotice = mib(16);
// Of the process's limit on memory.
constexpr size_t kLimitShare = 16;

void unmap_retained(const RetainedRanges::Range& range) {
  HAKMEM_PROBE(huge_unmap, range.address, range.size, 1);
  huge_mapping::unmap(reinterpret_cast<void*>(range.address), Bytes(range.size));
}

}  // namespace

void* HugeBlocks::take_retained(size_t size, size_t alignment) {
  os::LockGuard guard(lock_);
  const uintptr_t address = retained_.take(size, alignment);
  if (address == 0) return nullptr;
  void* block = reinterpret_cast<void*>(address);
  insert(block, size);
  return block;
}

// Nothing that is retained is large enough: the largest of it, with what is missing. Its pages need no fault.
void* HugeBlocks::grow_retained(Bytes mapped, Bytes* fresh) {
  Range range;
  {
    os::LockGuard guard(lock_);
    range = retained_.take_largest();
  }
  if (range.size == 0) return nullptr;
  void* block = reinterpret_cast<void*>(range.address);
  const Bytes missing = mapped - Bytes(range.size);
  make_way(missing.count());
  void* grown = os::timed(os::Cause::huge_map, [=] { return huge_mapping::resize(block, Bytes(range.size), mapped); });
  if (grown == nullptr) {
    huge_mapping::unmap(block, Bytes(range.size));
    return nullptr;
  }
  *fresh = missing;
  return grown;
}

// Under lock_. Pages of the system that retained ones might have saved.
void HugeBlocks::note_demand(Bytes size) {
  bound_.note_mapped(size, os::now_coarse(), Milliseconds(config().decay_ms));
}

// Under lock_.
bool HugeBlocks::retain(uintptr_t address, size_t size) {
  // A retained block could be read and written after its free.
  if constexpr (kHardened) return false;
  // Smaller ones are a signal handler's.
  if (size < kSuperSlabBytes.count() || HugeTable::is_in_slots(address)) return false;
  if (config().decay_ms == 0) return false;
  const Milliseconds now = os::now_coarse();
  const Bytes heap = registry().committed() + Bytes(table_.live());
  const Bytes kept(retained_.bytes() + size);
  // What is spare is so beside all that is mapped now. The heap may grow fast before it looks at the limit again.
  const bool may_stay = kept <= bound_.limit(heap) && kept.count() <= memory_limit().limit().count() / kLimitShare &&
                        Bytes(size) <= memory_limit().spare(pool().used());
  if (!may_stay || !retained_.put(Range{address, size, now})) {
    bound_.note_unmapped(Bytes(size), now);
    return false;
  }
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

// Unmaps what did not fit, before `size` bytes are mapped.
Bytes HugeBlocks::make_way(size_t size) {
  Bytes total;
  // Bounded, because others retain meanwhile.
  for (uint32_t turn = 0; turn < RetainedRanges::kMax && total.count() < size; ++turn) {
    Range gone;
    {
      os::LockGuard guard(lock_);
      const size_t bound = RetainBound::beside(Bytes(table_.live() + size)).count();
      if (retained_.bytes() <= bound) break;
      const size_t excess = round_up(retained_.bytes() - bound, os::page_size().count());
      const size_t rest = size - total.count();
      gone = evict(Milliseconds(UINT64_MAX), excess < rest ? excess : rest);
    }
    if (gone.size == 0) break;
    unmap_retained(gone);
    total += Bytes(gone.size);
  }
  return total;
}

Bytes HugeBlocks::unmap_all() {
  Bytes total;
  for (uint32_t turn = 0; turn < RetainedRanges::kMax; ++turn) {
    Range gone;
    {
      os::LockGuard guard(lock_);
      gone = evict(Milliseconds(UINT64_MAX), SIZE_MAX);
    }
    if (gone.size == 0) break;
    unmap_retained(gone);
    total += Bytes(gone.size);
  }
  return total;
}

Bytes HugeBlocks::purge(Milliseconds now, bool everything) {
  if (everything) return unmap_all();
  const uint64_t keep_ms = config().decay_ms;
  if (keep_ms == UINT64_MAX || now.count() < keep_ms) return Bytes(0);
  const Milliseconds until = now - Milliseconds(keep_ms);
  {
    os::LockGuard guard(lock_);
    if (!retained_.has_older(until)) return Bytes(0);
  }
  Bytes total;
  const uint64_t deadline_us = os::now_microseconds() + kPurgeBudgetUs;
  // The next tick goes on where this one stopped.
  while (os::now_microseconds() < deadline_us) {
    Range gone;
    {
      os::LockGuard guard(lock_);
      gone = evict(until, kPurgeStep);
      bound_.note_unused(Bytes(gone.size));
    }
    if (gone.size == 0) return total;
    unmap_retained(gone);
    total += Bytes(gone.size);
  }
  return total;
}

}  // namespace hakmem
