#include "pool/pool_shard.h"

namespace hakmem {

namespace {

constexpr uint32_t kSlotsPerNotice = (16u << 20) >> kSlotShift;

}  // namespace

bool PoolShard::claim(const Run& run) {
  const uint32_t unused = run.mask() & run.super->mask(SlotState::kUnused);
  const uint32_t empty = run.mask() & ~unused;
  if (unused != 0) run.super->move(PoolKey(), unused, SlotState::kUnused, SlotState::kActive);
  if (empty != 0) run.super->move(PoolKey(), empty, SlotState::kEmpty, SlotState::kActive);
  count_slots(0u - static_cast<uint32_t>(std::popcount(empty)), run.slots);
  moved_since_notice_ += run.slots;
  run.super->refused_purge = false;
  if (run.super == asked_for_page_ && run.super->free_mask() == 0) is_filling_ = false;
  reindex(run.super);
  return empty == 0;
}

void PoolShard::give_back(SuperSlab* super, uint32_t mask) {
  super->move(PoolKey(), mask, SlotState::kActive, SlotState::kEmpty);
  const uint32_t slots = static_cast<uint32_t>(std::popcount(mask));
  count_slots(slots, 0u - slots);
  moved_since_notice_ += slots;
  given_since_look_ += slots;
  if (super->mask(SlotState::kActive) == 0) super->tenant = kNoOwner;
  reindex(super);
}

void PoolShard::open(SuperSlab* super, uintptr_t base, uint32_t shard) {
  super->open(PoolKey(), base, shard);
  opened_slots_.store(opened_slots_.load(std::memory_order_relaxed) + kSlotsPerSuperSlab,
                      std::memory_order_relaxed);
  reindex(super);
}

void PoolShard::forget_all_slabs() {
  for (uint32_t& slabs : slabs_) slabs = 0;
}

bool PoolShard::take_given(uint32_t slots) {
  if (given_since_look_ < slots) return false;
  given_since_look_ = 0;
  return true;
}

bool PoolShard::take_much_moved() {
  if (moved_since_notice_ < kSlotsPerNotice) return false;
  moved_since_notice_ = 0;
  return true;
}

SuperSlab* PoolShard::claim_unused() {
  if (empty_slots() != 0 || by_free_.occupied != uint64_t{1} << kSlotsPerSuperSlab) return nullptr;
  SuperSlab* super = by_free_.lists[kSlotsPerSuperSlab];
  super->move(PoolKey(), ~0u, SlotState::kUnused, SlotState::kActive);
  reindex(super);
  return super;
}

void PoolShard::end_claim_of_unused(SuperSlab* super, uint32_t clock) {
  asked_for_page_ = super;
  filling_since_ = clock;
  is_filling_ = true;
  super->move(PoolKey(), ~0u, SlotState::kActive, SlotState::kEmpty);
  count_slots(kSlotsPerSuperSlab, 0);
  reindex(super);
}

SuperSlab* PoolShard::next_to_purge(const SuperSlab* avoided) const {
  for (uint64_t lists = by_empty_.occupied; lists != 0;) {
    const uint32_t longest = 63u - static_cast<uint32_t>(std::countl_zero(lists));
    lists &= ~(uint64_t{1} << longest);
    SuperSlab* super = by_empty_.lists[longest];
    while (super != nullptr && (super->refused_purge || super == avoided)) super = super->empty_link.next;
    if (super != nullptr) return super;
  }
  return nullptr;
}

bool PoolShard::has_refused(const SuperSlab* avoided) const {
  return empty_slots() != (avoided == nullptr ? 0 : avoided->count(SlotState::kEmpty).count());
}

uint32_t PoolShard::claim_empty(SuperSlab* super, uint32_t most) {
  uint32_t claimed = super->mask(SlotState::kEmpty);
  while (static_cast<uint32_t>(std::popcount(claimed)) > most) {
    claimed &= claimed - 1;  // keep the low ones: they are reused first
  }
  if (super == asked_for_page_) is_filling_ = false;
  super->move(PoolKey(), claimed, SlotState::kEmpty, SlotState::kActive);
  count_slots(0u - static_cast<uint32_t>(std::popcount(claimed)), 0);
  reindex(super);
  return claimed;
}

void PoolShard::end_claim(SuperSlab* super, uint32_t purged, uint32_t refused) {
  if (purged != 0) super->move(PoolKey(), purged, SlotState::kActive, SlotState::kUnused);
  if (refused != 0) {
    super->move(PoolKey(), refused, SlotState::kActive, SlotState::kEmpty);
    count_slots(static_cast<uint32_t>(std::popcount(refused)), 0);
    super->refused_purge = true;
  }
  if (super->mask(SlotState::kActive) == 0) super->tenant = kNoOwner;
  reindex(super);
}

// One that has no EMPTY slots is used again before it has some, and forgets by that.
void PoolShard::forget_refusals() {
  for (uint64_t lists = by_empty_.occupied; lists != 0; lists &= lists - 1) {
    SuperSlab* super = by_empty_.lists[std::countr_zero(lists)];
    for (; super != nullptr; super = super->empty_link.next) super->refused_purge = false;
  }
}

template <SuperSlab::Link SuperSlab::*kLink>
void PoolShard::move_in_index(Index& index, SuperSlab* super, uint8_t& place, uint32_t run) {
  if (place == run) return;
  SuperSlab::Link& link = super->*kLink;
  if (place != 0) {
    SuperSlab*& list = index.lists[place];
    if (link.previous != nullptr) {
      (link.previous->*kLink).next = link.next;
    } else {
      list = link.next;
    }
    if (link.next != nullptr) (link.next->*kLink).previous = link.previous;
    if (list == nullptr) index.occupied &= ~(uint64_t{1} << place);
  }
  place = static_cast<uint8_t>(run);
  if (run == 0) return;
  SuperSlab*& list = index.lists[run];
  link.previous = nullptr;
  link.next = list;
  if (list != nullptr) (list->*kLink).previous = super;
  list = super;
  index.occupied |= uint64_t{1} << run;
}

void PoolShard::reindex(SuperSlab* super) {
  move_in_index<&SuperSlab::free_link>(by_free_, super, super->longest_free,
                                       longest_run(super->free_mask()));
  move_in_index<&SuperSlab::empty_link>(by_empty_, super, super->longest_empty,
                                        longest_run(super->mask(SlotState::kEmpty)));
}

// Adds; what goes away is added as a number that wraps.
void PoolShard::count_slots(uint32_t empty, uint32_t active) {
  empty_slots_.store(empty_slots() + empty, std::memory_order_relaxed);
  active_slots_.store(active_slots() + active, std::memory_order_relaxed);
}

}  // namespace hakmem
