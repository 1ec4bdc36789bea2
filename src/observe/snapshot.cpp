#include "observe/snapshot.h"

#include "superslab/slab_pages.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"
#include "heap/inside.h"
#include "heap/lifecycle.h"

namespace hakmem {

Bytes HeapSnapshot::footprint() const {
  const Bytes slots{(pool.stats.active_slots + pool.stats.empty_slots) << kSlotShift};
  return slots - purged_in_slabs + (huge.live - huge.in_slots) + huge.retained + meta.in_use;
}

namespace {

// Under the cache's lock: a slab with a free block is on its owner's list.
void add_slabs(HeapSnapshot* out, uint32_t size_class, const SlabList& slabs, uint32_t* looks) {
  uint64_t free_blocks = 0;
  uint64_t purged = 0;
  uint32_t seen = 0;
  for (const Slab* slab = slabs.first(); slab != nullptr && *looks != 0; slab = slab->next) {
    free_blocks += slab->free_count;
    purged += purged_bytes(*slab).count();
    ++seen;
    --*looks;
  }
  if (seen == 0) return;
  out->classes[size_class].free_blocks += free_blocks * slabs.count() / seen;
  out->purged_in_slabs += Bytes(purged * slabs.count() / seen);
}

void add_caches(HeapSnapshot* out, uint32_t looks_each) {
  cache_list().for_each([out, looks_each](ThreadCache& cache) {
    os::LockGuard guard(cache.lock());
    uint32_t looks = looks_each;
    for (uint32_t i = 0; i < kClasses; ++i) {
      add_slabs(out, i, cache.slabs_with_free_blocks(ClassIndex(i)), &looks);
      out->classes[i].cached_blocks += cache.blocks_on_stack(ClassIndex(i));
    }
  });
  out->caches = cache_list().count();
  out->parked_caches = cache_list().parked();
}

}  // namespace

void add_up_heap(HeapSnapshot* out, uint32_t looks) {
  *out = HeapSnapshot{};
  // Slabs first: one that comes meanwhile has free blocks without blocks, which is cut off below.
  pool().overview(&out->pool);
  add_caches(out, looks);
  out->committed = registry().committed();
  out->huge = huge_blocks().stats();
  out->meta = meta_arena().stats();
  out->live = out->huge.live;
  for (uint32_t i = 0; i < kClasses; ++i) {
    ClassSnapshot& row = out->classes[i];
    const uint64_t blocks = out->blocks(i);
    const size_t size = class_info(ClassIndex(i)).block_bytes;
    if (row.free_blocks > blocks) row.free_blocks = blocks;
    if (row.cached_blocks > blocks - row.free_blocks) row.cached_blocks = blocks - row.free_blocks;
    out->free_in_slabs += Bytes(row.free_blocks * size);
    out->cached += Bytes(row.cached_blocks * size);
    out->live += Bytes((blocks - row.free_blocks - row.cached_blocks) * size);
  }
}

void take_snapshot(HeapSnapshot* out) {
  *out = HeapSnapshot{};
  if (lifecycle::busy()) return;
  const Inside inside;
  add_up_heap(out, UINT32_MAX);
}

}  // namespace hakmem
