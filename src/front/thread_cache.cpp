#include "front/thread_cache.h"

#include <string.h>

#include "os/latency.h"
#include "os/process.h"
#include "config/config.h"
#include "superslab/misuse.h"
#include "front/cache_list.h"

namespace hakmem {

namespace {

// Refills without a flush between after which the program is seen to grow.
constexpr uint8_t kGrowingRefills = 4;
// A class that has filled 256 KiB will fill the next 64, too. Blocks larger than a page may have pages that nobody touches.
constexpr uint8_t kDenseSlabs = 4;
// Such a program's stacks become no deeper than this: it will not need what they could hold before it frees.
constexpr size_t kGrownBytes = size_t{512} << 10;
// And the reverse: so many times what a stack holds was flushed without a refill between.
constexpr uint32_t kDrainingCapacities = 2;

uint32_t batch_size(ClassIndex c, uint32_t capacity) {
  const uint32_t by_bytes = batch_by_bytes(c);
  const uint32_t half = (capacity + 1) / 2;
  return half < by_bytes ? half : (by_bytes == 0 ? 1 : by_bytes);
}

bool is_deep(ClassIndex c, uint32_t capacity) {
  return capacity * size_t{block_bytes(c).count()} >= kGrownBytes;
}

}  // namespace

void ThreadCache::set_depth(ClassIndex c, uint32_t entries) {
  ClassState& state = state_of(c);
  // sync: fork. Entries are written before the top.
  std::atomic_signal_fence(std::memory_order_release);
  tops[c.count()] = state.bottom + 1 + entries;
  state.published_depth.store(static_cast<uint16_t>(entries), std::memory_order_relaxed);
}

void* ThreadCache::allocate(ClassIndex c, bool* zero) {
  count_slow_path();
  mend(c);
  const uint32_t fence = state_of(c).fence;
  lift_fence(c);
  if (state_of(c).shrinks) [[unlikely]] shrink_when_met(c);
  void* block = pop(c);
  bool has_received = false;
  if (block == nullptr && inbox_.has_mail()) {
    receive();
    has_received = true;
    block = pop(c);
  }
  if (block == nullptr) block = is_large(c) ? take_large(c, SlotCount(1), zero) : refill(c);
  watch(c, fence / 2);
  if (has_received) watch_counted();
  return block;
}

void* ThreadCache::allocate_aligned(ClassIndex c, SlotCount alignment, bool* zero) {
  count_slow_path();
  void* block = take_large(c, alignment, zero);
  watch_counted();
  return block;
}

void* ThreadCache::refill(ClassIndex c) {
  const os::Stopwatch stopwatch(os::Cause::refill);
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) {
    materialise(c);
  } else if (state.flushed || (++state.refills_in_row >= kGrowingRefills && !is_deep(c, state.capacity))) {
    grow(c);
  }
  // Not zero only where a stale top left entries behind that are no blocks.
  set_depth(c, 0);
  lift_tripwire(c);
  state.flushed = false;
  state.flushed_in_row = 0;
  state.refilled = true;
  stats_.refills.add(1);

  const uint32_t want = batch_size(c, state.capacity);
  void** first = state.bottom + 1;
  void** end = first + want;
  uint32_t taken;
  {
    os::LockGuard guard(lock_);
    taken = take_from_list(c, end, want);
  }
  if (taken == 0) taken = take_from_new_slab(c, end, want);
  if (taken == 0) return nullptr;
  if (taken != want) memmove(first, end - taken, taken * sizeof(void*));
  set_depth(c, taken);
  return pop(c);
}

void* ThreadCache::take_large(ClassIndex c, SlotCount alignment, bool* zero) {
  ClassState& state = state_of(c);
  mend(c);
  if (state.flushed) grow(c);
  state.flushed = false;
  state.flushed_in_row = 0;
  SharedPool::Acquired got =
      pool().acquire(c, id_, near_, alignment, SharedPool::Growth::kForbidden);
  if (got.slab == nullptr) {
    cache_list().drain_parked();
    got = pool().acquire(c, id_, near_, alignment, SharedPool::Growth::kAllowed);
  }
  if (got.slab == nullptr) return nullptr;
  stats_.slabs_acquired.add(1);
  near_ = registry().superslab_of(got.slab->base);
  void* block = nullptr;
  take_blocks(*got.slab, &block + 1, 1);
  *zero = got.zero;
  return block;
}

// Under lock(). Writes end[-1], end[-2], ... and returns how many.
uint32_t ThreadCache::take_from_list(ClassIndex c, void** end, uint32_t want) {
  uint32_t taken = 0;
  // Each turn takes at least one block or empties the list.
  while (taken < want) {
    Slab* slab = state_of(c).slabs.first();
    if (slab == nullptr) break;
    taken += take_blocks(*slab, end - taken, want - taken);
    if (slab->free_count == 0) unlist(slab);
  }
  return taken;
}

// After the list was found empty.
uint32_t ThreadCache::take_from_new_slab(ClassIndex c, void** end, uint32_t want) {
  // A turn comes to nothing only when an adopted slab became wholly free and was released before this
  // lock was taken.
  while (find_slab(c)) {
    os::LockGuard guard(lock_);
    if (const uint32_t taken = take_from_list(c, end, want); taken != 0) return taken;
  }
  return 0;
}

SharedPool::Density ThreadCache::density_of(ClassIndex c) {
  if (block_bytes(c) > os::page_size()) return SharedPool::Density::kUnknown;
  os::LockGuard guard(lock_);
  return SharedPool::Density{state_of(c).slabs_in_row == kDenseSlabs};
}

// Puts a slab on the list: from a parked cache, from what the pool has, and only then from the system.
bool ThreadCache::find_slab(ClassIndex c) {
  const SharedPool::Density density = density_of(c);
  for (const SharedPool::Growth growth :
       {SharedPool::Growth::kForbidden, SharedPool::Growth::kAllowed}) {
    if (cache_list().adopt(c, this)) {
      stats_.slabs_adopted.add(1);
      return true;
    }
    const SharedPool::Acquired got = pool().acquire(c, id_, near_, SlotCount(1), growth, density);
    if (got.slab != nullptr) {
      stats_.slabs_acquired.add(1);
      near_ = registry().superslab_of(got.slab->base);
      os::LockGuard guard(lock_);
      uint8_t& in_row = state_of(c).slabs_in_row;
      if (in_row < kDenseSlabs) ++in_row;
      list(got.slab, true);
      return true;
    }
    if (growth == SharedPool::Growth::kForbidden) cache_list().drain_parked();
  }
  return false;
}

void ThreadCache::deallocate(ClassIndex c, void* block) {
  count_slow_path();
  put_on_stack(c, block);
  watch(c, depth(c) / 2);
}

// The stack may be full, or not exist, or never have room at all.
void ThreadCache::put_on_stack(ClassIndex c, void* block) {
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) materialise(c);
  mend(c);
  lift_fence(c);
  lift_tripwire(c);
  if (state.shrinks) [[unlikely]] shrink_when_met(c);
  if (push(c, block)) return;
  // Twice what the stack holds, and no refill between: the program gives up what it has, and what stays on the
  // stack would pin the slabs it lies in.
  const uint32_t entries = depth(c);
  const uint32_t most = flush_size(c);
  const bool is_draining = state.flushed_in_row >= kDrainingCapacities * state.capacity;
  const uint32_t keep = is_draining ? 0 : state.capacity / 2;
  flush(c, entries > keep + most ? entries - most : keep);
  if (is_draining) {
    lower_capacity(c);
  } else {
    state.flushed_in_row = static_cast<uint16_t>(state.flushed_in_row + entries - depth(c));
  }
  if (push(c, block)) return;
  put_blocks(&block, 1);
  state.flushed = true;  // a stack with room would have kept it
}

// Returns all but the `keep` youngest entries to their slabs.
void ThreadCache::flush(ClassIndex c, uint32_t keep) {
  lift_fence(c);
  const uint32_t entries = depth(c);
  if (entries <= keep) return;
  const os::Stopwatch stopwatch(os::Cause::flush);
  const uint32_t going = entries - keep;
  void** first = state_of(c).bottom + 1;
  put_blocks(first, going);
  memmove(first, first + going, keep * sizeof(void*));
  // No address is there twice, should an interrupted push raise the top again.
  memset(first + keep, 0, going * sizeof(void*));
  note_flushed(c, keep);
}

void ThreadCache::note_flushed(ClassIndex c, uint32_t kept) {
  ClassState& state = state_of(c);
  set_depth(c, kept);
  state.flushed = true;
  state.refills_in_row = 0;
  stats_.flushes.add(1);
}

void ThreadCache::give_up_blocks() {
  empty_quarantine();
  send_all();
  return_strays(drain_inbox(true));
  empty_stacks();
}

void ThreadCache::trim() {
  give_up_blocks();
  release_kept_slabs(KeptSlabs::kAll);
  drop_spare_messages();
  watch_counted();
}

void ThreadCache::leave() {
  give_up_blocks();
  {
    // The next thread's rows are its own.
    os::LockGuard guard(lock_);
    for (ClassState& state : classes_) state.slabs_in_row = 0;
  }
  exit_round_taken_ = false;
  if (config().decay_ms == 0) retire();
}

void ThreadCache::empty_quarantine() {
  quarantine_.take_all([this](void* block) {
    const uint32_t block_tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
    const uint32_t c = block_tag ^ tag;
    c < kClasses ? put_on_stack(ClassIndex(c), block) : forward(block_tag, block);
  });
}

void ThreadCache::retire() {
  trim();
  for (uint32_t i = 0; i < kClasses; ++i) drop_stack(ClassIndex(i));
  near_ = nullptr;
  retired_ = true;
}

// Another thread may own this cache by now, so only what the lock protects is touched.
void* ThreadCache::borrow_block(ClassIndex c, bool* zero, SlotCount alignment) {
  void* block = nullptr;
  if (!is_large(c)) {
    os::LockGuard guard(lock_);
    if (take_from_list(c, &block + 1, 1) != 0) return block;
  }
  const SharedPool::Acquired got =
      pool().acquire(c, id_, nullptr, alignment, SharedPool::Growth::kAllowed);
  if (got.slab == nullptr) return nullptr;
  if (is_large(c)) {
    take_blocks(*got.slab, &block + 1, 1);
    *zero = got.zero;
    return block;
  }
  os::LockGuard guard(lock_);
  list(got.slab, true);
  take_from_list(c, &block + 1, 1);
  return block;
}

}  // namespace hakmem
