#include "observe/page_figures.h"

#include "superslab/registry.h"
#include "front/budget.h"
#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "front/thread_cache.h"
#include "profile/profiler.h"
#include "heap/heap.h"

namespace hakmem {

namespace {

// Slabs of one cache that are looked at under its lock, at ticks: some tenths of a millisecond.
constexpr uint32_t kLooksMax = 8192;

void add_caches(PageTotals* totals, const HeapSnapshot& heap) {
  cache_list().for_each([totals](const ThreadCache& cache) {
    const CacheStats& stats = cache.stats();
    totals->refills += stats.refills.get();
    totals->flushes += stats.flushes.get();
    totals->ticks += stats.ticks.get();
    totals->messages_sent += stats.messages_sent.get();
    totals->messages_received += stats.messages_received.get();
    totals->slabs_adopted += stats.slabs_adopted.get();
  });
  totals->caches = heap.caches;
  totals->parked_caches = heap.parked_caches;
  totals->cache_granted_bytes = budget().granted().count();
  totals->cache_limit_bytes = Budget::limit().count();
}

void add_pool(PageTotals* totals, const PoolStats& stats) {
  totals->unused_slots = stats.unused_slots;
  totals->active_slots = stats.active_slots;
  totals->empty_slots = stats.empty_slots;
  totals->empty_bytes = stats.empty_slots << kSlotShift;
  totals->pool_acquires = stats.acquires;
  totals->pool_releases = stats.releases;
  totals->pool_grows = stats.grows;
  totals->shared_fail = stats.shared_fails;
  totals->purged_slots = stats.purged_slots;
  totals->purge_refusals = stats.purge_refusals;
}

// Returns the ends of the slabs.
uint64_t fill_classes(PageClass* rows, const HeapSnapshot& heap) {
  uint64_t tail_bytes = 0;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const SizeClass& info = class_info(ClassIndex(i));
    const uint64_t slab_bytes = uint64_t{info.slots} << kSlotShift;
    const uint64_t slabs = heap.pool.slabs[i];
    rows[i] = PageClass{info.block_bytes, slab_bytes, slabs, heap.blocks(i), heap.classes[i].free_blocks,
                        heap.classes[i].cached_blocks};
    tail_bytes += slabs * (slab_bytes - uint64_t{info.blocks} * info.block_bytes);
  }
  return tail_bytes;
}

void add_huge(PageTotals* totals, const HugeStats& huge) {
  totals->huge_blocks = huge.blocks;
  totals->huge_live_bytes = huge.live.count();
  totals->huge_in_slots_bytes = huge.in_slots.count();
  totals->huge_retained_bytes = huge.retained.count();
  totals->huge_maps = huge.maps;
  totals->huge_unmaps = huge.unmaps;
}

void add_registry(PageTotals* totals) {
  totals->reservations = registry().reservations();
  totals->reservations_max = Registry::kReservationsMax;
  for (uint32_t i = 0; i < registry().reservations(); ++i) {
    const Reservation& home = registry().reservation(i);
    totals->reserved_bytes += home.size;
  }
  totals->committed_bytes = registry().committed().count();
  totals->tag_map_bytes = (totals->committed_bytes >> kSlotShift) * sizeof(TagWord);
  totals->record_bytes = (totals->committed_bytes >> kSuperSlabShift) * sizeof(SuperSlab);
}

void read_latencies(PageLatencies* out) {
  for (uint32_t i = 0; i < os::kLatencyBuckets; ++i) {
    out->rows[i][0] = i + 1 < os::kLatencyBuckets ? uint64_t{2} << i : UINT64_MAX;
  }
  for (uint32_t cause = 0; cause < os::kCauses; ++cause) {
    // relaxed: as good as a moment ago.
    const os::Latency& one = os::latency_of(static_cast<os::Cause>(cause));
    for (uint32_t i = 0; i < os::kLatencyBuckets; ++i) {
      out->rows[i][1 + cause] = one.buckets[i].load(std::memory_order_relaxed);
    }
    out->total_ns[cause] = one.total_ns.load(std::memory_order_relaxed);
    out->longest_ns[cause] = one.longest_ns.load(std::memory_order_relaxed);
  }
}

}  // namespace

void measure(PageFigures* out) {
  read_latencies(&out->latencies);
  HeapSnapshot& heap = out->heap;
  add_up_heap(&heap, kLooksMax);
  PageTotals& totals = out->totals;
  totals = PageTotals{};
  totals.small_live_bytes = (heap.live - heap.huge.live).count();
  totals.cached_bytes = heap.cached.count();
  totals.free_bytes = heap.free_in_slabs.count();
  totals.tail_bytes = fill_classes(out->classes, heap);
  add_caches(&totals, heap);
  add_pool(&totals, heap.pool.stats);
  add_registry(&totals);
  add_huge(&totals, heap.huge);
  totals.meta_in_use_bytes = heap.meta.in_use.count();
  totals.meta_committed_bytes = heap.meta.committed.count();
  totals.hole_purged_bytes = hole_purge().purged().count();
  totals.sized_mismatches = heap::sized_mismatches();
  totals.profile_rate = profiler().rate().count();
}

}  // namespace hakmem
