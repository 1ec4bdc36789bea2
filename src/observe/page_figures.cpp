#include "observe/page_figures.h"

#include "superslab/meta_arena.h"
#include "pool/shared_pool.h"
#include "front/budget.h"
#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "front/thread_cache.h"
#include "large/huge.h"
#include "profile/profiler.h"
#include "heap/heap.h"

namespace hakmem {

namespace {

// Slabs of one cache that are looked at under its lock: some tenths of a millisecond.
constexpr uint32_t kLooksMax = 8192;

// Free blocks of a cache's slabs, under its lock. Of what is too long to look through, the rest is taken to be
// as the part that was seen.
uint64_t free_blocks_of(const SlabList& slabs, uint32_t* looks) {
  uint64_t free_blocks = 0;
  uint32_t seen = 0;
  for (const Slab* slab = slabs.first(); slab != nullptr && *looks != 0; slab = slab->next) {
    free_blocks += slab->free_count;
    ++seen;
    --*looks;
  }
  return seen == slabs.count() || seen == 0 ? free_blocks : free_blocks * slabs.count() / seen;
}

void add_caches(PageFigures* out) {
  PageTotals& totals = out->totals;
  cache_list().for_each([out, &totals](ThreadCache& cache) {
    const CacheStats& stats = cache.stats();
    totals.refills += stats.refills.get();
    totals.flushes += stats.flushes.get();
    totals.ticks += stats.ticks.get();
    totals.messages_sent += stats.messages_sent.get();
    totals.messages_received += stats.messages_received.get();
    totals.slabs_adopted += stats.slabs_adopted.get();
    os::LockGuard guard(cache.lock());
    uint32_t looks = kLooksMax;
    for (uint32_t i = 0; i < kClasses; ++i) {
      out->classes[i].free_blocks += free_blocks_of(cache.slabs_with_free_blocks(ClassIndex(i)), &looks);
      out->classes[i].cached_blocks += cache.blocks_on_stack(ClassIndex(i));
    }
  });
  totals.caches = cache_list().count();
  totals.parked_caches = cache_list().parked();
  totals.cache_granted_bytes = budget().granted().count();
  totals.cache_limit_bytes = Budget::limit().count();
}

void add_pool(PageFigures* out) {
  PoolOverview pool_now;
  pool().overview(&pool_now);
  const PoolStats& stats = pool_now.stats;
  PageTotals& totals = out->totals;
  totals.unused_slots = stats.unused_slots;
  totals.active_slots = stats.active_slots;
  totals.empty_slots = stats.empty_slots;
  totals.empty_bytes = stats.empty_slots << kSlotShift;
  totals.pool_acquires = stats.acquires;
  totals.pool_releases = stats.releases;
  totals.pool_grows = stats.grows;
  totals.shared_fail = stats.shared_fails;
  totals.purged_slots = stats.purged_slots;
  totals.purge_refusals = stats.purge_refusals;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const SizeClass& info = class_info(ClassIndex(i));
    PageClass& row = out->classes[i];
    row.block_bytes = info.block_bytes;
    row.slab_bytes = uint64_t{info.slots} << kSlotShift;
    row.slabs = pool_now.slabs[i];
    row.blocks = row.slabs * info.blocks;
    totals.tail_bytes += row.slabs * (row.slab_bytes - uint64_t{info.blocks} * info.block_bytes);
  }
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
  *out = PageFigures{};
  read_latencies(&out->latencies);
  PageTotals& totals = out->totals;
  // Slabs first: a slab that comes meanwhile has free blocks without blocks, which is cut off below.
  add_pool(out);
  add_caches(out);
  add_registry(&totals);
  const HugeStats huge = huge_blocks().stats();
  totals.huge_blocks = huge.blocks;
  totals.huge_live_bytes = huge.live.count();
  totals.huge_in_slots_bytes = huge.in_slots.count();
  totals.huge_retained_bytes = huge.retained.count();
  totals.huge_maps = huge.maps;
  totals.huge_unmaps = huge.unmaps;
  const MetaStats meta = meta_arena().stats();
  totals.meta_in_use_bytes = meta.in_use.count();
  totals.meta_committed_bytes = meta.committed.count();
  totals.hole_purged_bytes = hole_purge().purged().count();
  totals.sized_mismatches = heap::sized_mismatches();
  totals.profile_rate = profiler().rate().count();
  for (PageClass& row : out->classes) {
    if (row.free_blocks > row.blocks) row.free_blocks = row.blocks;
    if (row.cached_blocks > row.blocks - row.free_blocks) {
      row.cached_blocks = row.blocks - row.free_blocks;
    }
    totals.free_bytes += row.free_blocks * row.block_bytes;
    totals.cached_bytes += row.cached_blocks * row.block_bytes;
    totals.small_live_bytes +=
        (row.blocks - row.free_blocks - row.cached_blocks) * row.block_bytes;
  }
}

}  // namespace hakmem
