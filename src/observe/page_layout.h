// observe/page_layout.h: where a reader in another process finds the slabs, and the sampled blocks.
//
// Responsibility  Addresses and offsets of the registry's records, as figures of the stats page.
// Contract        With these a reader walks reservations, SuperSlabs, slabs and samples by process_vm_readv, and
//                 needs no header of this version. Constant once the registry is open.
// Observable      PageLayout, a row of the page.
// Composable      superslab, profile. Used by stats_page.
#pragma once

#include "os/process.h"
#include "superslab/registry.h"
#include "profile/profiler.h"

namespace hakmem {

#define HAKMEM_PAGE_LAYOUT(ROW)                                                                    \
  ROW(primary_base, registry().primary().base)                                                     \
  ROW(primary_size, registry().primary().size)                                                     \
  ROW(primary_metadata, reinterpret_cast<uintptr_t>(registry().primary().metadata))                \
  ROW(primary_metadata_bytes, registry().primary().metadata_bytes)                                 \
  ROW(reservation_array, reinterpret_cast<uintptr_t>(&registry().reservation(0)))                  \
  ROW(reservation_stride, sizeof(Reservation))                                                     \
  ROW(reservation_base, offsetof(Reservation, base))                                               \
  ROW(reservation_size, offsetof(Reservation, size))                                               \
  ROW(reservation_tags, offsetof(Reservation, tags))                                               \
  ROW(reservation_supers, offsetof(Reservation, supers))                                           \
  ROW(reservation_committed, offsetof(Reservation, committed))                                     \
  ROW(reservation_metadata, offsetof(Reservation, metadata))                                       \
  ROW(reservation_metadata_bytes, offsetof(Reservation, metadata_bytes))                           \
  ROW(superslab_bytes, kSuperSlabBytes.count())                                                    \
  ROW(superslab_stride, sizeof(SuperSlab))                                                         \
  ROW(superslab_base, SuperSlab::kBaseOffset)                                                      \
  ROW(superslab_masks, SuperSlab::kMasksOffset)                                                    \
  ROW(superslab_slabs, SuperSlab::kSlabsOffset)                                                    \
  ROW(slot_bytes, kSlotBytes.count())                                                              \
  ROW(slab_stride, sizeof(Slab))                                                                   \
  ROW(slab_free_count, offsetof(Slab, free_count))                                                 \
  ROW(slab_blocks, offsetof(Slab, blocks))                                                         \
  ROW(slab_class, offsetof(Slab, size_class))                                                      \
  ROW(slab_slots, offsetof(Slab, slots))                                                           \
  ROW(slab_head_distance, offsetof(Slab, head_distance))                                           \
  ROW(slab_purged_pages, offsetof(Slab, purged_pages))                                             \
  ROW(page_bytes, os::page_size().count())                                                         \
  ROW(slab_born, offsetof(Slab, born))                                                             \
  ROW(slab_clock_ms, kSlabClockMs)                                                                 \
  ROW(samples_table, reinterpret_cast<uintptr_t>(profiler().live_samples()))                       \
  ROW(samples_entries, LiveSamples::kEntriesOffset)                                                \
  ROW(samples_capacity, LiveSamples::kCapacityOffset)                                              \
  ROW(sample_stride, sizeof(LiveSample))                                                           \
  ROW(sample_address, offsetof(LiveSample, address))                                               \
  ROW(sample_size, offsetof(LiveSample, size))                                                     \
  ROW(sample_stack, offsetof(LiveSample, stack))                                                   \
  ROW(sample_place, offsetof(LiveSample, place))                                                   \
  ROW(sample_since, offsetof(LiveSample, since))                                                   \
  ROW(tag_class_bits, kTagClassBits)                                                               \
  ROW(tag_interior_owner, kInteriorOwner.count())

struct PageLayout {
#define HAKMEM_LAYOUT_MEMBER(name, value) uint64_t name;
  HAKMEM_PAGE_LAYOUT(HAKMEM_LAYOUT_MEMBER)
#undef HAKMEM_LAYOUT_MEMBER
};

inline PageLayout page_layout() {
  PageLayout layout;
#define HAKMEM_LAYOUT_VALUE(name, value) layout.name = value;
  HAKMEM_PAGE_LAYOUT(HAKMEM_LAYOUT_VALUE)
#undef HAKMEM_LAYOUT_VALUE
  return layout;
}

}  // namespace hakmem
