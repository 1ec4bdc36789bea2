#include "observe/snapshot.h"

#include "front/cache_list.h"
#include "heap/inside.h"
#include "heap/lifecycle.h"
#include "observe/standstill.h"

namespace hakmem {

Bytes HeapSnapshot::footprint() const {
  const Bytes slots{(pool.active_slots + pool.empty_slots) << kSlotShift};
  return slots - purged_in_slabs + (huge.live - huge.in_slots) + huge.retained + meta.in_use;
}

namespace {

// Slabs are told by their tags: a tag is set after the record is complete, and taken off under the
// owner's lock.
void add_slabs(HeapSnapshot* out, const SuperSlab& super) {
  for (uint32_t slot = 0; slot < kSlotsPerSuperSlab; ++slot) {
    const uintptr_t base = super.base() + (size_t{slot} << kSlotShift);
    const uint32_t tag = registry().tag_of_acquire(base);
    if (tag == kUnusedTag || tag_owner(tag) == kInteriorOwner) continue;
    const ClassIndex c = tag_class(tag);
    ClassSnapshot& sum = out->classes[c.count()];
    const Slab& slab = super.slabs[slot];
    if (is_large(c)) {
      ++sum.slabs;
      ++sum.blocks;
      continue;
    }
    if (slab.head_distance != 0) continue;
    ++sum.slabs;
    sum.blocks += slab.blocks;
    sum.free_blocks += slab.free_count;
    out->purged_in_slabs += purged_bytes(slab);
  }
}

}  // namespace

void take_snapshot(HeapSnapshot* out) {
  *out = HeapSnapshot{};
  if (lifecycle::busy()) return;
  const Inside inside;
  {
    const Standstill standstill;
    cache_list().for_each([out](ThreadCache& cache) { out->cached += cache.cached_bytes(); });
    registry().for_each_superslab([out](const SuperSlab& super) { add_slabs(out, super); });
    out->caches = cache_list().count();
    out->parked_caches = cache_list().parked();
  }
  out->committed = registry().committed();
  out->pool = pool().stats();
  out->huge = huge_blocks().stats();
  out->meta = meta_arena().stats();
  Bytes blocks;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const size_t size = class_info(ClassIndex(i)).block_bytes;
    blocks += Bytes(out->classes[i].blocks * size);
    out->free_in_slabs += Bytes(out->classes[i].free_blocks * size);
  }
  const Bytes away = out->free_in_slabs + out->cached;
  out->live = (blocks > away ? blocks - away : Bytes(0)) + out->huge.live;
}

}  // namespace hakmem
