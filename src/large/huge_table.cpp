#include "large/huge_table.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/process.h"
#include "superslab/registry.h"

namespace hakmem {

namespace {

constexpr uintptr_t kNeverUsed = 0;
constexpr uintptr_t kTombstone = 1;

size_t hash_of(uintptr_t address) {
  // Fibonacci hashing; the low 12 bits of a mapping are zero.
  return static_cast<size_t>((address >> 12) * 0x9e3779b97f4a7c15ull >> 20);
}

}  // namespace

bool HugeTable::is_in_slots(uintptr_t address) { return registry().find(address) != nullptr; }

Bytes HugeTable::bytes_of(size_t capacity) {
  return Bytes(round_up(capacity * sizeof(Entry), os::page_size().count()));
}

size_t HugeTable::next_capacity() const {
  size_t wanted = kFirstCapacity;
  while (wanted < blocks_ * 4) wanted *= 2;
  return wanted;
}

HugeTable::Entry* HugeTable::find(uintptr_t address) {
  if (capacity_ == 0 || address <= kTombstone) return nullptr;
  for (size_t i = hash_of(address) & (capacity_ - 1);; i = (i + 1) & (capacity_ - 1)) {
    if (table_[i].address == address) return &table_[i];
    if (table_[i].address == kNeverUsed) return nullptr;
  }
}

HugeTable::Entry& HugeTable::insert(uintptr_t address, size_t size) {
  size_t i = hash_of(address) & (capacity_ - 1);
  while (table_[i].address > kTombstone) i = (i + 1) & (capacity_ - 1);
  if (table_[i].address == kNeverUsed) ++used_;
  CHECK(used_ < capacity_);
  table_[i] = Entry{address, 0, 0, 0};
  count_.store(++blocks_, std::memory_order_relaxed);
  set_size(table_[i], size);
  return table_[i];
}

HugeTable::Entry HugeTable::remove(Entry& entry) {
  const Entry gone = entry;
  set_size(entry, 0);
  entry.address = kTombstone;
  count_.store(--blocks_, std::memory_order_relaxed);
  return gone;
}

void HugeTable::set_size(Entry& entry, size_t size) {
  live_ += size - entry.size;
  if (is_in_slots(entry.address)) in_slots_ += size - entry.size;
  if (entry.is_asked) asked_ += size - entry.size;
  if (entry.is_full && size > entry.size) clear_full(entry);
  if (entry.is_full) full_ += size - entry.size;
  entry.size = size & (SIZE_MAX >> 2);
}

void HugeTable::set_asked(Entry& entry, bool is_asked) {
  const size_t size = entry.size;
  if (entry.is_asked != is_asked) asked_ += is_asked ? size : 0 - size;
  entry.is_asked = is_asked;
  if (!is_asked && entry.is_full) clear_full(entry);
}

void HugeTable::set_full(Entry& entry) {
  if (!entry.is_full) full_ += entry.size;
  entry.is_full = true;
}

void HugeTable::clear_full(Entry& entry) {
  full_ -= entry.size;
  entry.is_full = false;
}

HugeTable::Old HugeTable::rebuild(Entry* fresh, size_t capacity) {
  if (has_room() || blocks_ * 2 >= capacity) return {fresh == first_ ? nullptr : fresh, capacity};
  const Old old{table_, capacity_};
  table_ = fresh;
  capacity_ = capacity;
  used_ = 0;
  blocks_ = 0;
  live_ = 0;
  in_slots_ = 0;
  asked_ = 0;
  full_ = 0;
  for (size_t i = 0; i < old.capacity; ++i) {
    const Entry& entry = old.entries[i];
    if (entry.address <= kTombstone) continue;
    Entry& moved = insert(entry.address, entry.size);
    set_asked(moved, entry.is_asked);
    if (entry.is_full) set_full(moved);
    moved.record = entry.record;
  }
  return {old.entries == first_ ? nullptr : old.entries, old.capacity};
}

}  // namespace hakmem
