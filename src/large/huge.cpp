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
#include "pool/memory_limit.h"
#include "pool/shared_pool.h"
#include "large/huge_mapping.h"

namespace hakmem {

namespace {

constinit HugeBlocks g_huge_blocks;

// Zeroes are written into retained pages up to here, which takes a few milliseconds and a tenth of what page faults
// would. Above, what the program never touches costs nothing.
constexpr Bytes kZeroedMax = mib(32);

bool is_in_slots(const void* block) { return HugeTable::is_in_slots(reinterpret_cast<uintptr_t>(block)); }

void* map_timed(Bytes size, Bytes alignment) {
  return os::timed(os::Cause::huge_map, [=] { return huge_mapping::map(size, alignment); });
}

size_t whole_slots(size_t size) { return round_up(size, kSlotBytes.count()); }

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
  note_live();
  return entry;
}

// Under lock_. More is live.
void HugeBlocks::note_live() {
  bound_.note_live(Bytes(table_.live()), os::now_coarse(), Milliseconds(config().decay_ms));
  note_mapped();
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
  prepare_to_learn();
  // A handler's small block would cut a range to pieces.
  const bool may_reuse = mapped >= kSuperSlabBytes && (contents == Contents::kAny || mapped <= kZeroedMax);
  if (void* block = may_reuse ? take_retained(mapped.count(), alignment.count()) : nullptr; block != nullptr) {
    if (contents == Contents::kZero) memset(block, 0, mapped.count());
    return block;
  }
  Bytes fresh = mapped;
  const bool may_grow = may_reuse && alignment <= os::page_size();
  Resized got = may_grow ? grow_retained(mapped, contents, &fresh) : Resized{};
  const bool is_new = got.block == nullptr;
  if (is_new) {
    got = map_new(mapped, alignment, from_slots, contents);
    if (got.block == nullptr) return nullptr;
  } else if (contents == Contents::kZero) {
    memset(got.block, 0, mapped.count() - fresh.count());
  }
  HAKMEM_PROBE(huge_map, reinterpret_cast<uintptr_t>(got.block), got.size.count(), size.count());
  {
    os::LockGuard guard(lock_);
    if (is_new) counters_.maps.add(1);
    if (may_grow && !is_in_slots(got.block)) note_demand(fresh);
    HugeTable::Entry& entry = insert(got.block, got.size.count());
    if (is_new) got.asked = got.asked && still_wants(mapped);
    if (got.asked) {
      note_asked(entry);
      if (is_new && density_.takes_a_look()) density_.watch(entry.address);
    } else if (contents == Contents::kAny) {
      watch_grown(got.block, mapped, fresh);
    }
  }
  if (is_new && got.asked) os::advise_huge_pages(got.block, got.size, true);
  return got.block;
}

HugeBlocks::Resized HugeBlocks::map_new(Bytes mapped, Bytes alignment, FromSlots from_slots, Contents contents) {
  const bool asks = wants_huge_pages(mapped, contents);
  const Bytes whole = asks ? in_whole_huge_pages(0, mapped) : mapped;
  make_way(whole.count(), whole.count());
  // Refused, a block is no longer than it must be.
  if (void* block = whole != mapped ? map_timed(whole, alignment) : nullptr) return {block, whole, asks};
  if (void* block = map_or_purge(mapped, alignment)) return {block, mapped, asks};
  return from_slots == FromSlots::kAllowed ? take_slots(mapped, alignment, contents) : Resized{};
}

void* HugeBlocks::map_or_purge(Bytes size, Bytes alignment) {
  void* block = map_timed(size, alignment);
  if (block != nullptr || purge_all().count() == 0) return block;
  return huge_mapping::map(size, alignment);
}

HugeBlocks::Resized HugeBlocks::take_slots(Bytes mapped, Bytes alignment, Contents contents) {
  if (alignment > kSlotBytes || mapped <= kSuperSlabBytes) return {};
  // More than the slots that a 32-bit number counts is more than any reservation.
  if (mapped.count() >> kSlotShift >= UINT32_MAX) return {};
  const Bytes size(whole_slots(mapped.count()));
  bool zero = false;
  const uintptr_t slots = pool().acquire_huge(slots_of(size.count()), &zero);
  if (slots != 0 && contents == Contents::kZero && !zero) memset(reinterpret_cast<void*>(slots), 0, size.count());
  return {reinterpret_cast<void*>(slots), size, false};
}

bool HugeBlocks::release(void* block, Watch watch) {
  if (none()) return false;
  learn_from(block, Bytes(0));
  size_t size = 0;
  bool retained;
  {
    os::LockGuard guard(lock_);
    HugeTable::Entry* entry = find(block);
    if (entry == nullptr) return false;
    size = table_.remove(*entry).size;
    density_.forget(reinterpret_cast<uintptr_t>(block));
    note_mapped();
    retained = retain(reinterpret_cast<uintptr_t>(block), size, watch);
    if (!retained) counters_.unmaps.add(1);
  }
  if (!retained) {
    HAKMEM_PROBE(huge_unmap, reinterpret_cast<uintptr_t>(block), size, 0);
    if (is_in_slots(block)) {
      pool().release_huge(reinterpret_cast<uintptr_t>(block), slots_of(size));
    } else {
      os::timed(os::Cause::huge_unmap, [=, this] { unmap_mapping(reinterpret_cast<uintptr_t>(block), size); });
    }
  }
  if (watch == Watch::kTicks) shrink_unwatched();
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
bool HugeBlocks::resize_in_place(HugeTable::Entry& entry, size_t size, Watch watch) {
  const size_t old = entry.size;
  if (size == old) return true;
  if (HugeTable::is_in_slots(entry.address)) return false;
  const size_t taken = size < old ? 0 : retained_.take_at(entry.address + old, size - old);
  if (taken != 0) density_.forget(entry.address);  // these have pages
  table_.set_size(entry, size < old ? size : old + taken);
  if (size > old) {
    note_live();
    return entry.size >= size;
  }
  note_mapped();
  if (retain(entry.address + size, old - size, watch)) return true;
  table_.set_size(entry, old);
  note_mapped();
  return false;
}

// Under lock_. What a block took in vain is retained as before, if there is a place for it.
void HugeBlocks::give_up_tail(HugeTable::Entry& entry, size_t size) {
  if (entry.size == size) return;
  if (!keep(Range{entry.address + size, entry.size - size, os::now_coarse()})) return;
  table_.set_size(entry, size);
  note_mapped();
}

void* HugeBlocks::resize(void* block, Bytes new_size, Watch watch) {
  void* resized = resize_watched(block, new_size, watch);
  if (watch == Watch::kTicks) shrink_unwatched();
  return resized;
}

void* HugeBlocks::resize_watched(void* block, Bytes new_size, Watch watch) {
  const size_t page = os::page_size().count();
  if (new_size.count() > PTRDIFF_MAX - page || !make_room()) return nullptr;
  prepare_to_learn();
  const Bytes mapped{round_up(new_size.count(), page)};
  const bool in_slots = is_in_slots(block);
  const Looks looks = learn_from(block, mapped);
  bool was_watched;
  HugeTable::Entry old;
  size_t size_before = 0;
  {
    // The address must leave the table before the kernel may give it to somebody else.
    os::LockGuard guard(lock_);
    HugeTable::Entry* entry = find(block);
    if (entry == nullptr) return nullptr;
    size_before = entry->size;
    if (entry->is_asked && in_whole_huge_pages(entry->address, mapped) == Bytes(entry->size)) return block;
    if (resize_in_place(*entry, mapped.count(), watch)) return block;
    // Moving the pages of a reservation would leave a hole in it.
    if (in_slots && mapped.count() > entry->size) return nullptr;
    old = table_.remove(*entry);
    was_watched = density_.forget(old.address);
  }
  if (in_slots) return keep_front(block, old.size, mapped.count());
  const Bytes missing(mapped.count() > old.size ? mapped.count() - old.size : 0);
  const bool is_step = mapped < Bytes(old.size) + kSuperSlabBytes;
  const bool is_full = looks == Looks::kDense || (old.is_asked && looks == Looks::kUnknown);
  const Growth growth = is_step ? Growth::kStep : is_full ? Growth::kFull : Growth::kAny;
  make_way_for(old.address, Bytes(old.size), mapped, growth);
  const Bytes full(old.is_full ? old.size : 0);
  const auto [moved, got, keeps] = resize_mapping(block, Bytes(old.size), mapped, growth, full);
  const bool asked = is_step ? old.is_asked && keeps : keeps;
  os::LockGuard guard(lock_);
  if (moved == nullptr) {
    HugeTable::Entry& entry = insert(block, old.size);
    entry.record = old.record;
    give_up_tail(entry, size_before);
    table_.set_asked(entry, asked);
    if (asked && old.is_full) table_.set_full(entry);
    if (was_watched && asked == (old.is_asked != 0)) density_.watch(old.address);
  } else {
    HugeTable::Entry& entry = insert(moved, got.count());
    entry.record = old.record;
    note_demand(missing);
    if (asked && is_step) {
      table_.set_asked(entry, true);
      if (old.is_full && got <= Bytes(old.size)) table_.set_full(entry);
      if (was_watched || (old.is_full && !entry.is_full)) density_.watch(entry.address);
    } else if (asked) {
      note_asked(entry);
      // One that was chosen stays so.
      if (old.is_full || (old.is_asked ? was_watched : density_.takes_a_look())) density_.watch(entry.address);
    } else {
      watch_grown(moved, mapped, was_watched ? mapped : missing);
    }
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

HugeStats HugeBlocks::stats() {
  os::LockGuard guard(lock_);
  return HugeStats{table_.blocks(),          Bytes(table_.live()),  Bytes(table_.in_slots()),
                   Bytes(retained_.bytes()), counters_.maps.get(), counters_.unmaps.get()};
}

}  // namespace hakmem
