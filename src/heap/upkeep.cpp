#include "heap/upkeep.h"

#include "os/process.h"
#include "config/config.h"
#include "front/cache_list.h"
#include "front/hole_purge.h"
#include "large/huge.h"

namespace hakmem::upkeep {

namespace {

// Long enough to matter, short enough that nobody sees it.
constexpr uint64_t kInPassingUs = 1000;
// Parked caches retired in passing: some ten microseconds each.
constexpr uint32_t kRetiredInPassing = 4;

// What a thread left behind is freed memory like any other.
void retire_parked(Milliseconds now, uint32_t at_most) {
  const uint64_t decay_ms = config().decay_ms;
  if (decay_ms < now.count()) cache_list().retire_parked(now - Milliseconds(decay_ms), at_most);
}

Bytes do_all(Milliseconds now, uint64_t deadline_us) {
  Bytes total = hole_purge().run(now, deadline_us);
  total += pool().decay(now, deadline_us);
  total += huge_blocks().purge(now, false);
  return total;
}

}  // namespace

Bytes in_passing(Milliseconds now) {
  retire_parked(now, kRetiredInPassing);
  return do_all(now, os::now_microseconds() + kInPassingUs);
}

Bytes at_leisure(Milliseconds now) {
  cache_list().drain_mail();
  retire_parked(now, UINT32_MAX);
  return do_all(now, UINT64_MAX);
}

Bytes everything() {
  cache_list().note_mail();
  cache_list().drain_parked();
  cache_list().for_each([](ThreadCache& cache) {
    ThreadCache::return_strays(cache.drain_inbox(true));
    cache.release_kept_slabs(ThreadCache::KeptSlabs::kAll);
  });
  Bytes total = hole_purge().purge_all();
  total += pool().purge_all();
  total += huge_blocks().purge(os::now_coarse(), true);
  return total;
}

}  // namespace hakmem::upkeep
