#include "superslab/registry.h"

#include <string.h>

#include "base/probe.h"
#include "os/pages.h"
#include "os/process.h"
#include "config/config.h"
#include "superslab/canary.h"
#include "superslab/meta_arena.h"

namespace hakmem {

constinit Registry g_registry;

namespace {

// Address space costs nothing where it is unlimited; one range keeps the fast path to one compare.
constexpr Bytes kReserveUnlimited = gib(1024);
// Locked memory counts address space, so a process that locks gets it in pieces.
constexpr Bytes kReserveLocking = gib(1);
// Share of a limited address space that one reservation may take.
constexpr size_t kLimitedShare = 8;
// Under a limit later reservations are small, so their number is kept down by this.
constexpr Bytes kReserveLimitedMin = mib(8);

// Heaps grow by a quarter, so that commit calls stay rare and small processes stay small.
constexpr Bytes kCommitMin = mib(8);
constexpr Bytes kCommitMax = mib(256);
constexpr Bytes kTagCommitStep = kib(64);
constexpr Bytes kSuperCommitStep = kib(256);
constexpr Bytes kRecordCommitStep = mib(2);

// Hardened flavour: address space without access on both sides of the blocks, so that no overflow runs out
// of them.
constexpr Bytes kGuard = kSlotBytes;

void* reserve_data(Bytes size) {
  if constexpr (kHardened) {
    return os::reserve_guarded(size, kSuperSlabBytes, kGuard);
  } else {
    return os::reserve(size, kSuperSlabBytes);
  }
}

void release_data(void* data, Bytes size) {
  if constexpr (kHardened) {
    os::release_guarded(data, size, kGuard);
  } else {
    os::unmap(data, size);
  }
}

size_t record_bytes(size_t data_bytes) {
  return kHardened ? (data_bytes >> kSlotShift) * kRecordsPerSlot * sizeof(RecordWord) : 0;
}

Bytes reservation_size(uint32_t already) {
  if (const Bytes wanted{config().reserve_bytes}; wanted.count() != 0) {
    // Doubling every eight keeps a large heap on small reservations within kReservationsMax.
    return Bytes(round_up(wanted.count(), kSuperSlabBytes.count()) << (already / 8));
  }
  const Bytes limit = os::address_space_limit();
  if (limit.count() == SIZE_MAX) return os::may_lock_memory() ? kReserveLocking : kReserveUnlimited;
  const Bytes share{round_down(limit.count() / kLimitedShare, kSuperSlabBytes.count())};
  return share < kReserveLimitedMin ? kReserveLimitedMin : share;
}

}  // namespace

const Reservation* Registry::find_secondary(uintptr_t address) const {
  const size_t unit = address >> kSuperSlabShift;
  if (unit >> kLeafShift >= kRootEntries) return nullptr;
  // sync: registry leaf. acquire pairs with the release that published the leaf.
  const LeafEntry* leaf = root_[unit >> kLeafShift].load(std::memory_order_acquire);
  if (leaf == nullptr) return nullptr;
  // sync: registry. acquire pairs with the release in index_reservation().
  const uint16_t entry = leaf[unit % kLeafEntries].load(std::memory_order_acquire);
  if (entry == 0) return nullptr;
  const Reservation& home = reservations_[entry - 1];
  return home.holds(address) ? &home : nullptr;
}

SuperSlabRange Registry::commit_next() {
  const uint32_t existing = count_.load(std::memory_order_relaxed);
  for (uint32_t attempt = 0; attempt < 2; ++attempt) {
    const uint32_t count = count_.load(std::memory_order_relaxed);
    if (count != 0) {
      Reservation& home = reservations_[count - 1];
      const size_t begin = home.committed.load(std::memory_order_relaxed);
      size_t step = round_down(begin / 4, kSuperSlabBytes.count());
      if (step < kCommitMin.count()) step = kCommitMin.count();
      if (step > kCommitMax.count()) step = kCommitMax.count();
      if (step > home.size - begin) step = home.size - begin;
      for (; step != 0; step = round_down(step / 2, kSuperSlabBytes.count())) {
        if (const SuperSlabRange got = commit_step(home, step); got.count != 0) return got;
      }
      // Room but no memory: another reservation would be refused memory too.
      if (begin != home.size) break;
    }
    if (count != existing || !add_reservation()) break;
  }
  return SuperSlabRange{};
}

SuperSlabRange Registry::commit_exactly(Bytes size) {
  if (size > room()) return SuperSlabRange{};
  return commit_step(reservations_[reservations() - 1], size.count());
}

SuperSlabRange Registry::commit_step(Reservation& home, size_t step) {
  const size_t begin = home.committed.load(std::memory_order_relaxed);
  if (!commit_metadata(home, begin + step)) return SuperSlabRange{};
  if (!os::commit(reinterpret_cast<void*>(home.base + begin), Bytes(step))) return SuperSlabRange{};
  home.committed.store(begin + step, std::memory_order_release);
  HAKMEM_PROBE(growth, home.base + begin, step, begin + step);
  return SuperSlabRange{&home.superslab_at(begin), static_cast<uint32_t>(step >> kSuperSlabShift),
                        home.base + begin};
}

void Registry::open() {
  if constexpr (kHardened) make_canary_secret();
  Reservation& first = reservations_[0];
  if (reserve(first, reservation_size(0))) {
    os::name_at_start(reinterpret_cast<void*>(first.base), Bytes(first.size), "hakmem: slots");
    os::name_at_start(first.metadata, Bytes(first.metadata_bytes), "hakmem: tags and slab records");
  }
  count_.store(1, std::memory_order_release);
}

bool Registry::add_reservation() {
  const uint32_t index = count_.load(std::memory_order_relaxed);
  if (index == 0 || index == kReservationsMax) return false;
  Reservation& home = reservations_[index];
  if (!reserve(home, reservation_size(index))) return false;
  if (!index_reservation(home, static_cast<uint16_t>(index + 1))) {
    release_data(reinterpret_cast<void*>(home.base), Bytes(home.size));
    os::unmap(home.metadata, Bytes(home.metadata_bytes));
    home.size = 0;
    return false;
  }
  count_.store(index + 1, std::memory_order_release);
  return true;
}

// The data range, or what the system grants of it together with its metadata.
bool Registry::reserve(Reservation& home, Bytes size) {
  for (;; size = Bytes(round_up(size.count() / 2, kSuperSlabBytes.count()))) {
    void* data = reserve_data(size);
    if (data != nullptr && map_metadata(home, size)) {
      home.base = reinterpret_cast<uintptr_t>(data);
      home.size = size.count();
      // Where the system uses huge pages by itself, one live block would keep 2 MiB.
      os::advise_huge_pages(data, size, config().thp == AutoSwitch::kOn);
      return true;
    }
    if (data != nullptr) release_data(data, size);
    if (size <= kSuperSlabBytes) return false;
  }
}

// One range: guard, tags, guard, SuperSlab records, guard, block records, guard. The tags are readable from the start.
bool Registry::map_metadata(Reservation& home, Bytes size) {
  const size_t guard = round_up(kSlotBytes.count(), os::page_size().count());
  const size_t tags_bytes = round_up((size.count() >> kSlotShift) * sizeof(TagWord), guard);
  const size_t supers_bytes =
      round_up((size.count() >> kSuperSlabShift) * sizeof(SuperSlab), guard);
  const size_t records_bytes = round_up(record_bytes(size.count()), guard);
  const size_t records_place = guard + tags_bytes + guard + supers_bytes + guard;
  const Bytes total{records_place + records_bytes + (kHardened ? guard : 0)};
  void* range = os::reserve(total, os::page_size());
  if (range == nullptr) return false;
  char* begin = static_cast<char*>(range);
  if (!os::make_readable(begin + guard, Bytes(tags_bytes))) {
    os::unmap(range, total);
    return false;
  }
  home.tags = reinterpret_cast<TagWord*>(begin + guard);
  home.supers = reinterpret_cast<SuperSlab*>(begin + guard + tags_bytes + guard);
  home.records = kHardened ? reinterpret_cast<RecordWord*>(begin + records_place) : nullptr;
  home.records_committed = 0;
  home.metadata = range;
  home.metadata_bytes = total.count();
  home.tags_committed = 0;
  home.supers_committed = 0;
  return true;
}

bool Registry::index_reservation(const Reservation& home, uint16_t entry) {
  for (size_t offset = 0; offset < home.size; offset += kSuperSlabBytes.count()) {
    const size_t unit = (home.base + offset) >> kSuperSlabShift;
    if (unit >> kLeafShift >= kRootEntries) return false;
    std::atomic<LeafEntry*>& place = root_[unit >> kLeafShift];
    LeafEntry* leaf = place.load(std::memory_order_relaxed);
    if (leaf == nullptr) {
      const Bytes bytes{kLeafEntries * sizeof(LeafEntry)};
      leaf = static_cast<LeafEntry*>(meta_arena().allocate(bytes));
      if (leaf == nullptr) return false;
      memset(static_cast<void*>(leaf), 0, bytes.count());
      place.store(leaf, std::memory_order_release);
    }
    leaf[unit % kLeafEntries].store(entry, std::memory_order_release);
  }
  return true;
}

bool Registry::commit_metadata(Reservation& home, size_t data_end) {
  const size_t page = os::page_size().count();
  const auto extend = [page](void* region, size_t& done, size_t needed, size_t step, size_t limit) {
    if (needed <= done) return true;
    size_t target = round_up(needed, page);
    size_t wide = done + step > target ? done + step : target;
    if (wide > limit) wide = round_up(limit, page);
    char* begin = static_cast<char*>(region) + done;
    if (os::commit(begin, Bytes(wide - done))) {
      done = wide;
      return true;
    }
    if (!os::commit(begin, Bytes(target - done))) return false;
    done = target;
    return true;
  };
  return extend(home.tags, home.tags_committed, (data_end >> kSlotShift) * sizeof(TagWord),
                kTagCommitStep.count(), (home.size >> kSlotShift) * sizeof(TagWord)) &&
         extend(home.supers, home.supers_committed,
                (data_end >> kSuperSlabShift) * sizeof(SuperSlab), kSuperCommitStep.count(),
                (home.size >> kSuperSlabShift) * sizeof(SuperSlab)) &&
         extend(home.records, home.records_committed, record_bytes(data_end),
                kRecordCommitStep.count(), record_bytes(home.size));
}

Bytes Registry::room() const {
  const uint32_t count = reservations();
  if (count == 0) return Bytes(0);
  const Reservation& last = reservations_[count - 1];
  // relaxed: a hint.
  return Bytes(last.size - last.committed.load(std::memory_order_relaxed));
}

uintptr_t Registry::committed_end() const {
  const uint32_t count = reservations();
  if (count == 0) return 0;
  const Reservation& last = reservations_[count - 1];
  return last.base + last.committed.load(std::memory_order_relaxed);
}

Bytes Registry::committed() const {
  Bytes total;
  for (uint32_t i = 0; i < reservations(); ++i) {
    total += Bytes(reservations_[i].committed.load(std::memory_order_relaxed));
  }
  return total;
}

}  // namespace hakmem
