#include "large/huge.h"

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

constexpr uintptr_t kNeverUsed = 0;
constexpr uintptr_t kTombstone = 1;
// Retained pages are the peak of a small process, so they are a share of the heap: 1/16 of it, or a
// block or two.
constexpr size_t kRetainBytesMin = size_t{5} << 20;
constexpr size_t kRetainShare = 16;
// On a tick of a thread that wanted to allocate or free.
constexpr uint64_t kPurgeBudgetUs = 1000;
// A retained block may be this much larger than what is asked for: 1/4.
constexpr size_t kFitSlackShift = 2;

Bytes table_bytes(size_t capacity) {
  return Bytes(round_up(capacity * (kHardened ? 3 : 2) * sizeof(uintptr_t), os::page_size().count()));
}

size_t hash_of(uintptr_t address) {
  // Fibonacci hashing; the low 12 bits of a mapping are zero.
  return static_cast<size_t>((address >> 12) * 0x9e3779b97f4a7c15ull >> 20);
}

// Whole page-table leaves move fastest when a block grows.
Bytes mapping_alignment(Bytes mapped, Bytes alignment) {
  if (alignment < kSuperSlabBytes && mapped >= kSuperSlabBytes) return kSuperSlabBytes;
  const Bytes page = os::page_size();
  return alignment < page ? page : alignment;
}

// A mapping of its own lies outside of every reservation.
bool is_in_slots(uintptr_t address) { return registry().find(address) != nullptr; }

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

SlotCount slots_of(size_t size) {
  return SlotCount(static_cast<uint32_t>(whole_slots(size) >> kSlotShift));
}

}  // namespace

HugeBlocks& huge_blocks() { return g_huge_blocks; }

HugeBlocks::Entry* HugeBlocks::find(uintptr_t address) {
  if (capacity_ == 0 || address <= kTombstone) return nullptr;
  // make_room() keeps unused entries, so a probe ends.
  for (size_t i = hash_of(address) & (capacity_ - 1);; i = (i + 1) & (capacity_ - 1)) {
    if (table_[i].address == address) return &table_[i];
    if (table_[i].address == kNeverUsed) return nullptr;
  }
}

HugeBlocks::Entry& HugeBlocks::insert(uintptr_t address, size_t size) {
  size_t i = hash_of(address) & (capacity_ - 1);
  while (table_[i].address > kTombstone) i = (i + 1) & (capacity_ - 1);
  if (table_[i].address == kNeverUsed) ++used_;
  CHECK(used_ < capacity_);
  table_[i] = Entry{address, size};
  count_.store(++blocks_, std::memory_order_relaxed);
  live_bytes_ += size;
  if (is_in_slots(address)) in_slots_ += size;
  note_mapped();
  return table_[i];
}

bool HugeBlocks::remove(uintptr_t address, size_t* size) {
  Entry* entry = find(address);
  if (entry == nullptr) return false;
  *size = entry->size;
  entry->address = kTombstone;
  count_.store(--blocks_, std::memory_order_relaxed);
  live_bytes_ -= *size;
  if (is_in_slots(address)) in_slots_ -= *size;
  note_mapped();
  return true;
}

// Under lock_.
void HugeBlocks::note_mapped() const {
  memory_limit().note_huge(Bytes(live_bytes_ - in_slots_ + retained_bytes_));
}

// At most half of the table is in use afterwards; the other half is for the threads that are
// between this and their insert. Maps the next table without the lock.
bool HugeBlocks::make_room() {
  for (;;) {
    size_t wanted = kInitialCapacity;
    bool is_first;
    {
      os::LockGuard guard(lock_);
      is_first = capacity_ == 0;
      if (used_ < capacity_ / 2) return true;
      while (wanted < blocks_ * 4) wanted *= 2;
    }
    Entry* fresh = is_first ? first_table_
                            : static_cast<Entry*>(os::map(table_bytes(wanted), os::page_size()));
    if (fresh == nullptr) return false;
    Entry* old;
    size_t old_capacity;
    {
      os::LockGuard guard(lock_);
      old_capacity = capacity_;
      old = rebuild(fresh, wanted);
    }
    if (old == fresh) old_capacity = wanted;
    if (old != nullptr && old != first_table_) os::unmap(old, table_bytes(old_capacity));
  }
}

// Moves everything into `fresh`, unless somebody was faster. Returns the table that is not in use.
HugeBlocks::Entry* HugeBlocks::rebuild(Entry* fresh, size_t capacity) {
  if (used_ < capacity_ / 2 || blocks_ * 2 >= capacity) return fresh;
  Entry* old = table_;
  const size_t old_capacity = capacity_;
  table_ = fresh;
  capacity_ = capacity;
  used_ = 0;
  blocks_ = 0;
  live_bytes_ = 0;
  in_slots_ = 0;
  for (size_t i = 0; i < old_capacity; ++i) {
    if (old[i].address > kTombstone) insert(old[i].address, old[i].size).record = old[i].record;
  }
  return old;
}

void* HugeBlocks::allocate(Bytes size, Bytes alignment, FromSlots from_slots, bool* zero) {
  const size_t page = os::page_size().count();
  if (size.count() > PTRDIFF_MAX - page) return nullptr;
  const Bytes mapped{round_up(size.count(), page)};
  const Bytes aligned = mapping_alignment(mapped, alignment);
  if (!make_room()) return nullptr;
  {
    os::LockGuard guard(lock_);
    if (void* block = take_retained(mapped.count(), aligned.count()); block != nullptr) {
      *zero = false;
      return block;
    }
  }
  make_way(mapped.count());
  size_t got = 0;
  void* block = map_new(mapped, alignment, from_slots, &got, zero);
  if (block == nullptr) return nullptr;
  HAKMEM_PROBE(huge_map, reinterpret_cast<uintptr_t>(block), got, size.count());
  os::LockGuard guard(lock_);
  counters_.maps.add(1);
  insert(reinterpret_cast<uintptr_t>(block), got);
  return block;
}

void* HugeBlocks::map_new(Bytes mapped, Bytes alignment, FromSlots from_slots, size_t* size,
                          bool* zero) {
  const Bytes aligned = mapping_alignment(mapped, alignment);
  *size = mapped.count();
  *zero = true;
  void* block = os::timed(os::Cause::huge_map, [=] { return map_block(mapped, aligned); });
  if (block == nullptr && purge(Milliseconds(0), true).count() != 0) {
    block = map_block(mapped, aligned);
  }
  if (block != nullptr || from_slots == FromSlots::kForbidden) return block;
  if (alignment > kSlotBytes || mapped <= kSuperSlabBytes) return nullptr;
  // More than the slots that a 32-bit number counts is more than any reservation.
  if (mapped.count() >> kSlotShift >= UINT32_MAX) return nullptr;
  *size = whole_slots(mapped.count());
  return reinterpret_cast<void*>(pool().acquire_huge(slots_of(*size), zero));
}

// Under lock_. The tightest retained block that is at most a quarter too large.
void* HugeBlocks::take_retained(size_t size, size_t alignment) {
  uint32_t best = retained_count_;
  for (uint32_t i = 0; i < retained_count_; ++i) {
    const Retained& candidate = retained_[i];
    if (candidate.size < size || candidate.size > size + (size >> kFitSlackShift)) continue;
    if ((candidate.address & (alignment - 1)) != 0) continue;
    if (best == retained_count_ || candidate.size < retained_[best].size) best = i;
  }
  if (best == retained_count_) return nullptr;
  const Retained taken = retained_[best];
  retained_[best] = retained_[--retained_count_];
  retained_bytes_ -= taken.size;
  insert(taken.address, taken.size);
  return reinterpret_cast<void*>(taken.address);
}

bool HugeBlocks::release(void* block) {
  if (none()) return false;
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  size_t size = 0;
  {
    os::LockGuard guard(lock_);
    if (!remove(address, &size)) return false;
    if (retain(address, size)) return true;
    counters_.unmaps.add(1);
  }
  HAKMEM_PROBE(huge_unmap, address, size, 0);
  if (is_in_slots(address)) {
    pool().release_huge(address, slots_of(size));
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
  if (size < kSuperSlabBytes.count() || is_in_slots(address)) return false;
  if (config().decay_ms == 0 || retained_count_ == kRetainedMax) return false;
  const size_t share = (registry().committed().count() + live_bytes_) / kRetainShare;
  const size_t limit = share < kRetainBytesMin ? kRetainBytesMin : share;
  if (retained_bytes_ + size > limit) return false;
  // All that is mapped now, and this.
  if (memory_limit().spare(pool().used()).count() < size) return false;
  retained_[retained_count_++] = Retained{address, size, os::now_coarse()};
  retained_bytes_ += size;
  note_mapped();
  return true;
}

Bytes HugeBlocks::size_of(const void* block) {
  if (none()) return Bytes(0);
  os::LockGuard guard(lock_);
  const Entry* entry = find(reinterpret_cast<uintptr_t>(block));
  return Bytes(entry == nullptr ? 0 : entry->size);
}

bool HugeBlocks::set_record(const void* block, BlockRecord record) {
  os::LockGuard guard(lock_);
  Entry* entry = find(reinterpret_cast<uintptr_t>(block));
  if (entry == nullptr) return false;
  entry->record.set(record);
  return true;
}

bool HugeBlocks::find_record(const void* block, BlockRecord* record, Bytes* size) {
  if (none()) return false;
  os::LockGuard guard(lock_);
  const Entry* entry = find(reinterpret_cast<uintptr_t>(block));
  if (entry == nullptr) return false;
  *record = entry->record.get();
  *size = Bytes(entry->size);
  return true;
}

void* HugeBlocks::resize(void* block, Bytes new_size) {
  const size_t page = os::page_size().count();
  if (new_size.count() > PTRDIFF_MAX - page || !make_room()) return nullptr;
  const Bytes mapped{round_up(new_size.count(), page)};
  size_t old_size = 0;
  Record record;
  const bool in_slots = is_in_slots(reinterpret_cast<uintptr_t>(block));
  {
    // The address must leave the table before the kernel may give it to somebody else.
    os::LockGuard guard(lock_);
    const Entry* entry = find(reinterpret_cast<uintptr_t>(block));
    if (entry == nullptr) return nullptr;
    if (entry->size == mapped.count()) return block;
    // Moving the pages of a reservation would leave a hole in it.
    if (in_slots && mapped.count() > entry->size) return nullptr;
    record = entry->record;
    remove(reinterpret_cast<uintptr_t>(block), &old_size);
  }
  if (in_slots) return keep_front(block, old_size, mapped.count());
  void* moved = resize_block(block, Bytes(old_size), mapped);
  os::LockGuard guard(lock_);
  if (moved == nullptr) {
    insert(reinterpret_cast<uintptr_t>(block), old_size).record = record;
  } else {
    insert(reinterpret_cast<uintptr_t>(moved), mapped.count()).record = record;
  }
  return moved;
}

// The block left the table; its tail goes back to the pool.
void* HugeBlocks::keep_front(void* block, size_t old_size, size_t new_size) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const size_t kept = whole_slots(new_size);
  if (kept < old_size) pool().release_huge(address + kept, slots_of(old_size - kept));
  os::LockGuard guard(lock_);
  insert(address, kept);
  return block;
}

// Under lock_.
bool HugeBlocks::evict_oldest(Retained* out) {
  if (retained_count_ == 0) return false;
  uint32_t oldest = 0;
  for (uint32_t i = 1; i < retained_count_; ++i) {
    if (retained_[i].since < retained_[oldest].since) oldest = i;
  }
  *out = retained_[oldest];
  retained_[oldest] = retained_[--retained_count_];
  retained_bytes_ -= out->size;
  note_mapped();
  counters_.unmaps.add(1);
  return true;
}

// Unmaps what did not fit until as much is gone as is about to be mapped.
Bytes HugeBlocks::make_way(size_t size) {
  Bytes total;
  // Bounded, because others retain meanwhile.
  for (uint32_t turn = 0; turn < kRetainedMax && total.count() < size; ++turn) {
    Retained gone{};
    {
      os::LockGuard guard(lock_);
      if (!evict_oldest(&gone)) break;
    }
    HAKMEM_PROBE(huge_unmap, gone.address, gone.size, 1);
    os::unmap(reinterpret_cast<void*>(gone.address), Bytes(gone.size));
    total += Bytes(gone.size);
  }
  return total;
}

Bytes HugeBlocks::purge(Milliseconds now, bool everything) {
  if (everything) return make_way(SIZE_MAX);
  const uint64_t keep_ms = config().decay_ms;
  if (keep_ms == UINT64_MAX) return Bytes(0);
  Bytes total;
  const uint64_t deadline_us = os::now_microseconds() + kPurgeBudgetUs;
  // At most kRetainedMax turns find something; the next tick goes on where this one stopped.
  while (os::now_microseconds() < deadline_us) {
    Retained gone{};
    {
      os::LockGuard guard(lock_);
      for (uint32_t i = 0; i < retained_count_; ++i) {
        if (now < retained_[i].since || (now - retained_[i].since).count() < keep_ms) continue;
        evict_oldest(&gone);
        break;
      }
    }
    if (gone.size == 0) return total;
    HAKMEM_PROBE(huge_unmap, gone.address, gone.size, 1);
    os::unmap(reinterpret_cast<void*>(gone.address), Bytes(gone.size));
    total += Bytes(gone.size);
  }
  return total;
}

HugeStats HugeBlocks::stats() {
  os::LockGuard guard(lock_);
  return HugeStats{blocks_,        Bytes(live_bytes_), Bytes(in_slots_), Bytes(retained_bytes_),
                   counters_.maps.get(), counters_.unmaps.get()};
}

}  // namespace hakmem
