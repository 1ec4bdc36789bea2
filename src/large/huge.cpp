#include "large/huge.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/probe.h"
#include "os/latency.h"
#include "os/pages.h"
#include "os/process.h"
#include "config/config.h"
#include "config/geometry.h"
#include "superslab/registry.h"
#include "pool/memory_limit.h"
#include "pool/shared_pool.h"

namespace hakmem {

namespace {

constinit HugeBlocks g_huge_blocks;

// On a tick of a thread that wanted to allocate or free.
constexpr uint64_t kPurgeBudgetUs = 1000;
// Of one munmap in it.
constexpr size_t kPurgeStep = size_t{4} << 20;
constexpr Bytes kNotice = mib(16);
// Zeroes are written into retained pages up to here, which takes a few milliseconds and a tenth of what page faults
// would. Above, what the program never touches costs nothing.
constexpr Bytes kZeroedMax = mib(32);

// Whole page-table leaves move fastest when a block grows.
Bytes mapping_alignment(Bytes mapped, Bytes alignment) {
  if (alignment < kSuperSlabBytes && mapped >= kSuperSlabBytes) return kSuperSlabBytes;
  const Bytes page = os::page_size();
  return alignment < page ? page : alignment;
}

bool is_in_slots(const void* block) { return HugeTable::is_in_slots(reinterpret_cast<uintptr_t>(block)); }

size_t whole_slots(size_t size) { return round_up(size, kSlotBytes.count()); }

// Hardened flavour: on both sides of a mapping, without access.
constexpr Bytes kGuard = kSlotBytes;

void* map_block(Bytes size, Bytes alignment) {
  if constexpr (kHardened) {
    void* block = os::reserve_guarded(size, alignment, kGuard);
    if (block == nullptr || os::commit(block, size)) return block;
    os::release_guarded(block, size, kGuard);
    return nullptr;
  } else {
    return os::map(size, alignment);
  }
}

void* resize_block(void* block, Bytes old_size, Bytes new_size) {
  if constexpr (kHardened) {
    const Bytes alignment = mapping_alignment(new_size, os::page_size());
    return os::remap_guarded(block, old_size, new_size, alignment, kGuard);
  } else {
    return os::remap(block, old_size, new_size);
  }
}

void unmap_block(void* block, Bytes size) {
  if constexpr (kHardened) {
    os::release_guarded(block, size, kGuard);
  } else {
    os::unmap(block, size);
  }
}

void unmap_retained(const RetainedRanges::Range& range) {
  HAKMEM_PROBE(huge_unmap, range.address, range.size, 1);
  os::unmap(reinterpret_cast<void*>(range.address), Bytes(range.size));
}

SlotCount slots_of(size_t size) {
  return SlotCount(static_cast<uint32_t>(whole_slots(size) >> kSlotShift));
}

}  // namespace

HugeBlocks& huge_blocks() { return g_huge_blocks; }

// Under lock_.
HugeTable::Entry* HugeBlocks::find(const void* block) { return table_.find(reinterpret_cast<uintptr_t>(block)); }

// Under lock_.
HugeTable::Entry& HugeBlocks::insert(const void* block, size_t size) {
  HugeTable::Entry& entry = table_.insert(reinterpret_cast<uintptr_t>(block), size);
  note_mapped();
  return entry;
}

// Under lock_.
void HugeBlocks::note_mapped() const {
  memory_limit().note_huge(Bytes(table_.live() - table_.in_slots() + retained_.bytes()));
}

// Maps the next table without the lock.
bool HugeBlocks::make_room() {
  for (;;) {
    size_t wanted;
    {
      os::LockGuard guard(lock_);
      if (table_.takes_first()) table_.use_first();
      if (table_.has_room()) return true;
      wanted = table_.next_capacity();
    }
    auto* fresh = static_cast<HugeTable::Entry*>(os::map(HugeTable::bytes_of(wanted), os::page_size()));
    if (fresh == nullptr) return false;
    HugeTable::Old old;
    {
      os::LockGuard guard(lock_);
      old = table_.rebuild(fresh, wanted);
    }
    if (old.entries != nullptr) os::unmap(old.entries, HugeTable::bytes_of(old.capacity));
  }
}

void* HugeBlocks::allocate(Bytes size, Bytes alignment, FromSlots from_slots, Contents contents) {
  const size_t page = os::page_size().count();
  if (size.count() > PTRDIFF_MAX - page) return nullptr;
  const Bytes mapped{round_up(size.count(), page)};
  if (!make_room()) return nullptr;
  const bool may_reuse = contents == Contents::kAny || mapped <= kZeroedMax;
  if (void* block = may_reuse ? take_retained(mapped.count(), alignment.count()) : nullptr; block != nullptr) {
    if (contents == Contents::kZero) memset(block, 0, mapped.count());
    return block;
  }
  size_t got = mapped.count();
  Bytes fresh = mapped;
  const bool may_grow = may_reuse && alignment <= os::page_size();
  void* block = may_grow ? grow_retained(mapped, &fresh) : nullptr;
  if (block != nullptr) {
    if (contents == Contents::kZero) memset(block, 0, mapped.count() - fresh.count());
  } else {
    make_way(mapped.count());
    block = map_new(mapped, alignment, from_slots, &got, contents);
  }
  if (block == nullptr) return nullptr;
  HAKMEM_PROBE(huge_map, reinterpret_cast<uintptr_t>(block), got, size.count());
  os::LockGuard guard(lock_);
  if (fresh == mapped) counters_.maps.add(1);
  note_demand(fresh);
  insert(block, got);
  return block;
}

void* HugeBlocks::map_new(Bytes mapped, Bytes alignment, FromSlots from_slots, size_t* size,
                          Contents contents) {
  const Bytes aligned = mapping_alignment(mapped, alignment);
  *size = mapped.count();
  void* block = os::timed(os::Cause::huge_map, [=] { return map_block(mapped, aligned); });
  if (block == nullptr && purge(Milliseconds(0), true).count() != 0) {
    block = map_block(mapped, aligned);
  }
  if (block != nullptr || from_slots == FromSlots::kForbidden) return block;
  if (alignment > kSlotBytes || mapped <= kSuperSlabBytes) return nullptr;
  // More than the slots that a 32-bit number counts is more than any reservation.
  if (mapped.count() >> kSlotShift >= UINT32_MAX) return nullptr;
  *size = whole_slots(mapped.count());
  bool zero = false;
  const uintptr_t slots = pool().acquire_huge(slots_of(*size), &zero);
  if (slots != 0 && contents == Contents::kZero && !zero) memset(reinterpret_cast<void*>(slots), 0, *size);
  return reinterpret_cast<void*>(slots);
}

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
  void* grown = os::timed(os::Cause::huge_map, [=] { return resize_block(block, Bytes(range.size), mapped); });
  if (grown == nullptr) {
    unmap_block(block, Bytes(range.size));
    return nullptr;
  }
  *fresh = missing;
  return grown;
}

// Under lock_. Pages of the system that retained ones might have saved.
void HugeBlocks::note_demand(Bytes size) {
  bound_.note_mapped(size, os::now_coarse(), Milliseconds(config().decay_ms));
}

bool HugeBlocks::release(void* block) {
  if (none()) return false;
  size_t size = 0;
  bool retained;
  {
    os::LockGuard guard(lock_);
    HugeTable::Entry* entry = find(block);
    if (entry == nullptr) return false;
    size = table_.remove(*entry).size;
    note_mapped();
    retained = retain(reinterpret_cast<uintptr_t>(block), size);
    if (!retained) counters_.unmaps.add(1);
  }
  if (retained) {
    // A program of huge blocks alone never ticks.
    purge(os::now_coarse(), false);
    return true;
  }
  HAKMEM_PROBE(huge_unmap, reinterpret_cast<uintptr_t>(block), size, 0);
  if (is_in_slots(block)) {
    pool().release_huge(reinterpret_cast<uintptr_t>(block), slots_of(size));
  } else {
    os::timed(os::Cause::huge_unmap, [=] { unmap_block(block, Bytes(size)); });
  }
  return true;
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
  // The limit is for all that is mapped now, and this.
  const bool may_stay = Bytes(retained_.bytes() + size) <= bound_.limit(heap) &&
                        Bytes(size) <= memory_limit().spare(pool().used());
  if (!may_stay || !retained_.put(Range{address, size, now})) {
    bound_.note_unmapped(Bytes(size), now);
    return false;
  }
  if (Bytes(retained_.bytes()) >= kNotice) notice_.store(true, std::memory_order_relaxed);
  note_mapped();
  return true;
}

Bytes HugeBlocks::size_of(const void* block) {
  if (none()) return Bytes(0);
  os::LockGuard guard(lock_);
  const HugeTable::Entry* entry = find(block);
  return Bytes(entry == nullptr ? 0 : entry->size);
}

bool HugeBlocks::set_record(const void* block, BlockRecord record) {
  os::LockGuard guard(lock_);
  HugeTable::Entry* entry = find(block);
  if (entry == nullptr) return false;
  entry->record.set(record);
  return true;
}

bool HugeBlocks::find_record(const void* block, BlockRecord* record, Bytes* size) {
  if (none()) return false;
  os::LockGuard guard(lock_);
  const HugeTable::Entry* entry = find(block);
  if (entry == nullptr) return false;
  *record = entry->record.get();
  *size = Bytes(entry->size);
  return true;
}

// Under lock_. True when the block has the size now, without the system.
bool HugeBlocks::resize_in_place(HugeTable::Entry& entry, size_t size) {
  if (size == entry.size) return true;
  if (HugeTable::is_in_slots(entry.address)) return false;
  if (size < entry.size) {
    if (!retain(entry.address + size, entry.size - size)) return false;
    table_.set_size(entry, size);
  } else {
    const size_t taken = retained_.take_at(entry.address + entry.size, size - entry.size);
    table_.set_size(entry, entry.size + taken);
  }
  note_mapped();
  return entry.size == size;
}

void* HugeBlocks::resize(void* block, Bytes new_size) {
  const size_t page = os::page_size().count();
  if (new_size.count() > PTRDIFF_MAX - page || !make_room()) return nullptr;
  const Bytes mapped{round_up(new_size.count(), page)};
  const bool in_slots = is_in_slots(block);
  HugeTable::Entry old;
  {
    // The address must leave the table before the kernel may give it to somebody else.
    os::LockGuard guard(lock_);
    HugeTable::Entry* entry = find(block);
    if (entry == nullptr) return nullptr;
    if (resize_in_place(*entry, mapped.count())) return block;
    // Moving the pages of a reservation would leave a hole in it.
    if (in_slots && mapped.count() > entry->size) return nullptr;
    old = table_.remove(*entry);
  }
  if (in_slots) return keep_front(block, old.size, mapped.count());
  const Bytes missing(mapped.count() > old.size ? mapped.count() - old.size : 0);
  make_way(missing.count());
  void* moved = resize_block(block, Bytes(old.size), mapped);
  os::LockGuard guard(lock_);
  if (moved == nullptr) {
    insert(block, old.size).record = old.record;
  } else {
    insert(moved, mapped.count()).record = old.record;
    note_demand(missing);
  }
  return moved;
}

// The block left the table; its tail goes back to the pool.
void* HugeBlocks::keep_front(void* block, size_t old_size, size_t new_size) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const size_t kept = whole_slots(new_size);
  if (kept < old_size) pool().release_huge(address + kept, slots_of(old_size - kept));
  os::LockGuard guard(lock_);
  insert(block, kept);
  return block;
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

HugeStats HugeBlocks::stats() {
  os::LockGuard guard(lock_);
  return HugeStats{table_.blocks(),          Bytes(table_.live()),  Bytes(table_.in_slots()),
                   Bytes(retained_.bytes()), counters_.maps.get(), counters_.unmaps.get()};
}

}  // namespace hakmem
