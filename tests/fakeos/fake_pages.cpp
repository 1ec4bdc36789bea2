#include "fakeos/fake_pages.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "base/bits.h"
#include "os/pages.h"
#include "os/process.h"
#include "os/raw_syscall.h"
#include "config/config.h"
#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"
#include "large/huge.h"

#include "fakeos/fake_process.h"

namespace hakmem::fakeos {

namespace {

struct Range {
  uintptr_t begin;
  size_t size;
  bool reserved;  // by reserve(), not by map()
};

// Constant-initialised, since the heap's constructor calls before any of ours has run.
struct State {
  std::mutex mutex;
  Script script;
  bool armed = false;
  uint32_t aside = 0;
  uint64_t counts[kCallKinds] = {};
  uint64_t scripted = 0;  // calls of the kinds in the script
  uint64_t refusals = 0;
  uint64_t cost_us[kCallKinds] = {};
  size_t purged_bytes = 0;
  Range ranges[2048] = {};
  uint32_t range_count = 0;
};
constinit State g_state;

[[noreturn]] void violation(Call call, const char* what, uint64_t number) {
  char line[160];
  const int length = snprintf(line, sizeof line, "fakeos: %s %s %llu\n", name_of(call), what,
                              static_cast<unsigned long long>(number));
  os::write_stderr(line, static_cast<size_t>(length));
  abort();
}

// Each lock is asked, so that this works in release builds as well.
void require_no_lock(Call call) {
  cache_list().for_each([call](ThreadCache& cache) {
    if (cache.lock().held_by_me()) violation(call, "under the lock of cache", cache.id().count());
  });
  for (uint32_t shard = 0; shard < SharedPool::kShards; ++shard) {
    if (pool().shard_lock(shard).held_by_me()) violation(call, "under the lock of the pool's shard", shard);
  }
  if (huge_blocks().lock().held_by_me()) violation(call, "under the lock of huge blocks, rank", 3);
}

bool is_sealed_page(const void* address) { return address == sealed_page().address; }

void require_page_multiples(Call call, uintptr_t address, size_t size) {
  const size_t page = os::page_size().count();
  if (address % page != 0) violation(call, "at no multiple of the page size:", address);
  if (size % page != 0 || size == 0) violation(call, "of no multiple of the page size:", size);
}

// True when the system refuses.
bool enter(Call call, const void* address, Bytes size) {
  require_no_lock(call);
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  if (!is_sealed_page(address)) require_page_multiples(call, at, size.count());
  const std::lock_guard guard(g_state.mutex);
  const uint32_t kind = static_cast<uint32_t>(call);
  advance_clock_us(g_state.cost_us[kind]);
  if (g_state.aside != 0) return false;
  ++g_state.counts[kind];
  const Script& script = g_state.script;
  if (!g_state.armed || (script.kinds & bit_of(call)) == 0) return false;
  if (script.size != 0 && (at + size.count() <= script.begin || script.begin + script.size <= at)) {
    return false;
  }
  const uint64_t number = g_state.scripted++;
  const bool refused =
      number >= script.first && number < script.end && (number - script.first) % script.period == 0;
  if (refused) ++g_state.refusals;
  return refused;
}

void remember(void* address, Bytes size, bool reserved) {
  const std::lock_guard guard(g_state.mutex);
  if (g_state.range_count == std::size(g_state.ranges)) abort();
  g_state.ranges[g_state.range_count++] =
      Range{reinterpret_cast<uintptr_t>(address), size.count(), reserved};
}

// Cuts what lies in [begin, end) out of the range. Returns where that ends; `begin` when it is not held.
uintptr_t cut(uintptr_t begin, uintptr_t end) {
  for (uint32_t i = 0; i < g_state.range_count; ++i) {
    const Range range = g_state.ranges[i];
    const uintptr_t range_end = range.begin + range.size;
    if (begin < range.begin || begin >= range_end) continue;
    if (end > range_end) end = range_end;
    g_state.ranges[i] = g_state.ranges[--g_state.range_count];
    if (g_state.range_count + 2 > std::size(g_state.ranges)) abort();
    if (range.begin != begin) {
      g_state.ranges[g_state.range_count++] = Range{range.begin, begin - range.begin, range.reserved};
    }
    if (range_end != end) {
      g_state.ranges[g_state.range_count++] = Range{end, range_end - end, range.reserved};
    }
    return end;
  }
  return begin;
}

// Parts may be given back, and ranges that lie side by side in one call.
void forget(Call call, void* address, Bytes size) {
  const std::lock_guard guard(g_state.mutex);
  uintptr_t at = reinterpret_cast<uintptr_t>(address);
  const uintptr_t end = at + size.count();
  while (at != end) {
    const uintptr_t cut_end = cut(at, end);
    if (cut_end == at) violation(call, "of a range that is not held, size", size.count());
    at = cut_end;
  }
}

// Inside a range that was reserved, or, for advice, mapped.
void require_reserved(Call call, void* address, Bytes size, bool or_mapped = false) {
  if (is_sealed_page(address)) return;
  const std::lock_guard guard(g_state.mutex);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(address);
  for (uint32_t i = 0; i < g_state.range_count; ++i) {
    const Range& range = g_state.ranges[i];
    if ((range.reserved || or_mapped) && begin >= range.begin &&
        begin + size.count() <= range.begin + range.size) {
      return;
    }
  }
  violation(call, "outside every reservation, size", size.count());
}

long system_call(long number, void* address, size_t size, long c = 0, long d = 0, long e = 0,
                 long f = 0) {
  return os::raw_syscall(number, reinterpret_cast<long>(address), static_cast<long>(size), c, d, e,
                         f);
}

void* map_aligned(Bytes size, Bytes alignment, int protection) {
  const size_t page = os::page_size().count();
  const size_t multiple = alignment.count() < page ? page : alignment.count();
  if (size.count() > PTRDIFF_MAX - multiple) return nullptr;
  const long wide = system_call(SYS_mmap, nullptr, size.count() + multiple, protection,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (wide < 0) return nullptr;
  const uintptr_t begin = static_cast<uintptr_t>(wide);
  const uintptr_t aligned = round_up(begin, multiple);
  void* tail = reinterpret_cast<void*>(aligned + size.count());
  if (aligned != begin) system_call(SYS_munmap, reinterpret_cast<void*>(begin), aligned - begin);
  system_call(SYS_munmap, tail, begin + multiple - aligned);
  return reinterpret_cast<void*>(aligned);
}

void* take(Call call, Bytes size, Bytes alignment, int protection) {
  if (!is_power_of_two(alignment.count())) violation(call, "alignment", alignment.count());
  if (enter(call, nullptr, size)) return nullptr;
  void* address = map_aligned(size, alignment, protection);
  if (address != nullptr) remember(address, size, call == Call::kReserve);
  return address;
}

bool protect(Call call, void* address, Bytes size, int protection) {
  require_reserved(call, address, size);
  if (enter(call, address, size)) return false;
  return system_call(SYS_mprotect, address, size.count(), protection) == 0;
}

Held held(bool reserved) {
  const std::lock_guard guard(g_state.mutex);
  Held sum;
  for (uint32_t i = 0; i < g_state.range_count; ++i) {
    if (g_state.ranges[i].reserved != reserved) continue;
    ++sum.ranges;
    sum.bytes += Bytes(g_state.ranges[i].size);
  }
  return sum;
}

}  // namespace

const char* name_of(Call call) {
  static const char* const names[kCallKinds] = {"reserve", "commit", "make_readable", "map",
                                                "unmap",   "purge",  "remap"};
  return names[static_cast<uint32_t>(call)];
}

void arm(const Script& script) {
  const std::lock_guard guard(g_state.mutex);
  g_state.script = script;
  g_state.armed = true;
  for (uint64_t& count : g_state.counts) count = 0;
  g_state.scripted = g_state.refusals = g_state.purged_bytes = 0;
}

void disarm() {
  const std::lock_guard guard(g_state.mutex);
  g_state.armed = false;
}

uint64_t calls(Call call) {
  const std::lock_guard guard(g_state.mutex);
  return g_state.counts[static_cast<uint32_t>(call)];
}

uint64_t calls_of_all_kinds() {
  uint64_t sum = 0;
  for (const Call call : kAllCalls) sum += calls(call);
  return sum;
}

uint64_t refusals() {
  const std::lock_guard guard(g_state.mutex);
  return g_state.refusals;
}

Bytes purged() {
  const std::lock_guard guard(g_state.mutex);
  return Bytes(g_state.purged_bytes);
}

void set_cost_us(Call call, uint64_t microseconds) {
  const std::lock_guard guard(g_state.mutex);
  g_state.cost_us[static_cast<uint32_t>(call)] = microseconds;
}

Held held_reserved() { return held(true); }
Held held_mapped() { return held(false); }

Aside::Aside() {
  const std::lock_guard guard(g_state.mutex);
  ++g_state.aside;
}
Aside::~Aside() {
  const std::lock_guard guard(g_state.mutex);
  --g_state.aside;
}

}  // namespace hakmem::fakeos

namespace hakmem::os {

using fakeos::Call;

void* reserve(Bytes size, Bytes alignment) {
  return fakeos::take(Call::kReserve, size, alignment, PROT_NONE);
}

bool commit(void* address, Bytes size) {
  return fakeos::protect(Call::kCommit, address, size, PROT_READ | PROT_WRITE);
}

bool make_readable(void* address, Bytes size) {
  return fakeos::protect(Call::kMakeReadable, address, size, PROT_READ);
}

void* map(Bytes size, Bytes alignment) {
  return fakeos::take(Call::kMap, size, alignment, PROT_READ | PROT_WRITE);
}

void unmap(void* address, Bytes size) {
  fakeos::forget(Call::kUnmap, address, size);
  if (fakeos::enter(Call::kUnmap, address, size)) {
    fakeos::system_call(SYS_mprotect, address, size.count(), PROT_NONE);
    return;
  }
  fakeos::system_call(SYS_munmap, address, size.count());
}

bool purge(void* address, Bytes size) {
  fakeos::require_reserved(Call::kPurge, address, size);
  if (fakeos::enter(Call::kPurge, address, size)) return false;
  const std::lock_guard guard(fakeos::g_state.mutex);
  fakeos::g_state.purged_bytes += size.count();
  return fakeos::system_call(SYS_madvise, address, size.count(), MADV_DONTNEED) == 0;
}

void advise_huge_pages(void* address, Bytes size, bool wanted) {
  fakeos::require_no_lock(Call::kPurge);
  fakeos::require_reserved(Call::kPurge, address, size, true);
  fakeos::system_call(SYS_madvise, address, size.count(), wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void split_huge_page(void* address, Bytes part) {
  fakeos::require_no_lock(Call::kPurge);
  fakeos::require_reserved(Call::kPurge, address, part, true);
  fakeos::system_call(SYS_madvise, address, part.count(), MADV_FREE);
}

// Nothing depends on a name.
void name_at_start(void* address, Bytes size, const char*) {
  fakeos::require_reserved(Call::kPurge, address, size);
}

// Counted as what it undoes.
bool withdraw(void* address, Bytes size) {
  if (!fakeos::protect(fakeos::Call::kCommit, address, size, PROT_NONE)) return false;
  return fakeos::system_call(SYS_madvise, address, size.count(), MADV_DONTNEED) == 0;
}

void* remap(void* address, Bytes old_size, Bytes new_size) {
  if (fakeos::enter(Call::kRemap, address, new_size)) return nullptr;
  fakeos::forget(Call::kRemap, address, old_size);
  void* target = address;
  long flags = 0;
  if (new_size > old_size) {
    target = fakeos::map_aligned(new_size, page_size(), PROT_READ | PROT_WRITE);
    flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  }
  const long moved = target == nullptr ? -1
                                       : fakeos::system_call(SYS_mremap, address, old_size.count(),
                                                             static_cast<long>(new_size.count()),
                                                             flags, reinterpret_cast<long>(target));
  if (moved < 0) {
    if (target != nullptr && target != address) fakeos::system_call(SYS_munmap, target, new_size.count());
    fakeos::remember(address, old_size, false);
    return nullptr;
  }
  fakeos::remember(target, new_size, false);
  return target;
}

}  // namespace hakmem::os
