// superslab/registry.h: which slab does an address belong to.
//
// Responsibility  The reservations SuperSlabs are taken from; one 32-bit tag for each slot.
// Contract        A tag is owner << 8 | class, 0 where nothing is. The tag of a live block's slot
//                 is constant but for a change of owner (see pool). commit_next() needs the grow
//                 lock; look-ups need none. "Full" is an answer only when the system refuses.
// Observable      reservations(), committed(); for_each_superslab() for walkers.
// Composable      os/pages, meta_arena, superslab. Used by pool (which writes tags), front, large,
//                 heap, observe.
#pragma once

#include <atomic>

#include "superslab/superslab.h"

namespace hakmem {

using TagWord = std::atomic<uint32_t>;
// The hardened flavour's knowledge of one block; see block_record.h.
using RecordWord = std::atomic<uint32_t>;

// Records of one slot: as many as a slot can have blocks, and some more, so that the first records of
// neighbouring slots do not share a cache set.
inline constexpr size_t kRecordsPerSlot = kSlotBytes.count() / kMinAlignment + 80;

// sync: registry. base, size, tags and supers are written once, before the reservation is
// published: the primary one before the first thread has a cache, the others by the release of
// their leaf entries. The tag map is readable over its whole length, so no look-up asks how much is
// committed.
struct Reservation {
  uintptr_t base = 0;
  size_t size = 0;
  TagWord* tags = nullptr;
  SuperSlab* supers = nullptr;
  // Grows under the grow lock, with release after the metadata of the new part is writable.
  std::atomic<size_t> committed{0};
  size_t tags_committed = 0;
  size_t supers_committed = 0;
  RecordWord* records = nullptr;  // hardened flavour only
  size_t records_committed = 0;
  void* metadata = nullptr;
  size_t metadata_bytes = 0;

  size_t offset_of(uintptr_t address) const { return address - base; }
  bool holds(uintptr_t address) const { return offset_of(address) < size; }
  // Only for an offset below size.
  TagWord& tag_word(size_t offset) const { return tags[offset >> kSlotShift]; }
  // Only where something is or was committed, which a tag other than kUnusedTag proves.
  SuperSlab& superslab_at(size_t offset) const { return supers[offset >> kSuperSlabShift]; }
  // Of block `index` of the slab whose first slot lies at `offset`.
  RecordWord& record_at(size_t offset, uint32_t index) const {
    return records[(offset >> kSlotShift) * kRecordsPerSlot + index];
  }
  Slab& slot_at(size_t offset) const {
    return superslab_at(offset).slabs[(offset >> kSlotShift) % kSlotsPerSuperSlab];
  }
};

struct SuperSlabRange {
  SuperSlab* first = nullptr;
  uint32_t count = 0;
  uintptr_t base = 0;
};

class Registry {
 public:
  static constexpr uint32_t kReservationsMax = 1024;

  constexpr Registry() = default;

  // The reservation that holds `address`, or nullptr.
  const Reservation* find(uintptr_t address) const {
    if (primary().holds(address)) [[likely]]
      return &primary();
    return find_secondary(address);
  }

  const Reservation& primary() const { return reservations_[0]; }

  // Tag of the slot `address` lies in; kUnusedTag for an address that is not ours.
  uint32_t tag_of(uintptr_t address) const {
    const Reservation* home = find(address);
    if (home == nullptr) return kUnusedTag;
    return home->tag_word(home->offset_of(address)).load(std::memory_order_relaxed);
  }

  // Record of the slot `address` lies in (its head() is the slab); the address must be ours.
  Slab* slot_of(uintptr_t address) const {
    const Reservation* home = find(address);
    return &home->slot_at(home->offset_of(address));
  }

  SuperSlab* superslab_of(uintptr_t address) const {
    const Reservation* home = find(address);
    return &home->superslab_at(home->offset_of(address));
  }

  // For whoever is about to work on the slab of a tag that names a cache whose lock it holds.
  // sync: adoption. acquire pairs with the release in set_tags(): the former owner is done with it.
  uint32_t tag_of_acquire(uintptr_t address) const {
    const Reservation* home = find(address);
    return home == nullptr ? kUnusedTag : tag_acquire(*home, address);
  }
  static uint32_t tag_acquire(const Reservation& home, uintptr_t address) {
    return home.tag_word(home.offset_of(address)).load(std::memory_order_acquire);
  }

  // Tags `slots` slots from `base` on. sync: adoption. The fast path reads relaxed: it only
  // compares, and a thread that frees a block got it from its owner after this store.
  void set_tags(PoolKey, uintptr_t base, SlotCount slots, uint32_t tag) {
    const Reservation* home = find(base);
    TagWord* first = &home->tag_word(home->offset_of(base));
    for (uint32_t i = 0; i < slots.count(); ++i) first[i].store(tag, std::memory_order_release);
  }

  // Reserves the primary range. Called once, while there is one thread; when it is refused, every
  // look-up is a secondary one.
  void open();

  // The next SuperSlabs, readable and writable; count 0 when the system refuses even one.
  SuperSlabRange commit_next();
  // `size`, a multiple of a SuperSlab's, of the reservation that grows now, or nothing.
  SuperSlabRange commit_exactly(Bytes size);

  const Reservation& reservation(uint32_t index) const { return reservations_[index]; }
  uint32_t reservations() const { return count_.load(std::memory_order_acquire); }
  Bytes committed() const;
  // Of the reservation that grows now: what is reserved and not committed, and where that begins.
  Bytes room() const;
  uintptr_t committed_end() const;

  // Calls visit(SuperSlab&) for each committed SuperSlab the pool has opened.
  template <class Visit>
  void for_each_superslab(Visit visit) const {
    for (uint32_t i = 0; i < reservations(); ++i) {
      const Reservation& home = reservations_[i];
      const size_t committed = home.committed.load(std::memory_order_acquire);
      for (size_t offset = 0; offset < committed; offset += kSuperSlabBytes.count()) {
        SuperSlab& super = home.superslab_at(offset);
        if (super.base() != 0) visit(super);
      }
    }
  }

 private:
  // Second level: 2 MiB units of a 48-bit address space (x86-64 uses 47), 8 192 to a leaf.
  static constexpr uint32_t kLeafShift = 13;
  static constexpr size_t kLeafEntries = size_t{1} << kLeafShift;
  static constexpr size_t kRootEntries = size_t{1} << (48 - kSuperSlabShift - kLeafShift);
  using LeafEntry = std::atomic<uint16_t>;

  const Reservation* find_secondary(uintptr_t address) const;
  SuperSlabRange commit_step(Reservation& home, size_t step);
  bool reserve(Reservation& home, Bytes size);
  bool add_reservation();
  bool map_metadata(Reservation& home, Bytes size);
  bool index_reservation(const Reservation& home, uint16_t entry);
  bool commit_metadata(Reservation& home, size_t data_end);

  // [0] is the primary one, with size 0 when it was refused.
  Reservation reservations_[kReservationsMax];
  // Entry 0: nothing; n: reservation n - 1. Leaves appear under the grow lock and stay.
  std::atomic<LeafEntry*> root_[kRootEntries] = {};
  std::atomic<uint32_t> count_{0};
};

extern Registry g_registry;
inline Registry& registry() { return g_registry; }

}  // namespace hakmem
