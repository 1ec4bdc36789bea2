#include "heap/heap.h"

#include <string.h>

#include "os/libc_malloc.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "superslab/misuse.h"
#include "front/cache_list.h"
#include "large/guarded.h"
#include "large/huge.h"
#include "profile/profiler.h"
#include "heap/after_tick.h"
#include "heap/deferred.h"
#include "heap/foreign.h"
#include "heap/inside.h"
#include "heap/lifecycle.h"
#include "heap/past_gate.h"
#include "heap/scavenger.h"
#include "heap/upkeep.h"

namespace hakmem::heap {

namespace {

constinit DeferredFrees g_deferred;

// What a free of a huge block may spend on others that nobody asked for again.
constexpr uint64_t kDecayUs = 1000;

// A slow path of a thread's own cache, and the deferred work that comes with it.
class SlowPath {
 public:
  explicit SlowPath(ThreadCache* cache) : cache_(cache) {}
  ~SlowPath() {
    if (!cache_->take_tick_notice()) return;
    upkeep::relieve(Bytes(0));
    if (upkeep::caches_must_shrink()) cache_->trim();
    const Milliseconds now = os::now_coarse();
    if (!scavenger::takes_over()) upkeep::in_passing(now);
    after_tick(now);
    inside_.set_front(lifecycle::front_of(cache_));
  }
  SlowPath(const SlowPath&) = delete;
  SlowPath& operator=(const SlowPath&) = delete;

 private:
  Inside inside_;
  ThreadCache* cache_;
};

// What handlers freed meanwhile.
void free_deferred() {
  if (g_deferred.waiting()) [[unlikely]] g_deferred.take_all(deallocate_slow);
}

// What must not be done inside.
void after_allocation() {
  free_deferred();
  scavenger::start_if_wanted();
}
void after_free() {
  free_deferred();
  scavenger::consider_notices();
}

void* allocate_huge_uncounted(size_t size, size_t alignment, HugeBlocks::Contents contents) {
  if (size > PTRDIFF_MAX) return nullptr;
  // Interrupted in the middle of the table: a handler gets nothing rather than a deadlock.
  if (huge_blocks().lock().held_by_me()) return nullptr;
  const bool in_handler = lifecycle::busy();
  const auto from_slots =
      in_handler ? HugeBlocks::FromSlots::kForbidden : HugeBlocks::FromSlots::kAllowed;
  {
    const Inside inside;
    if (!in_handler) upkeep::relieve_for_huge(Bytes(size));
    void* block = huge_blocks().allocate(Bytes(size), Bytes(alignment), from_slots, contents);
    if (block != nullptr) return block;
  }
  // The system refuses: what this thread has cached may make room in the SuperSlabs.
  ThreadCache* cache = lifecycle::current_cache();
  if (cache == nullptr) return nullptr;
  const SlowPath slow(cache);
  cache->trim();
  return huge_blocks().allocate(Bytes(size), Bytes(alignment), from_slots, contents);
}

// A profiled thread's block that counts is told to the profiler.
void count_huge(void* block, size_t size) {
  ThreadCache* cache = gated_cache();
  if (cache == nullptr || block == nullptr || !cache->takes(size) || lifecycle::busy()) return;
  {
    const SlowPath slow(cache);
    cache->count_slow_path();
    profiler().sample_huge(cache, block, size);
  }
  after_allocation();
}

void* allocate_huge(size_t size, size_t alignment, HugeBlocks::Contents contents = HugeBlocks::Contents::kAny) {
  void* block = allocate_huge_uncounted(size, alignment, contents);
  if (!lifecycle::busy()) scavenger::start_if_wanted();
  count_huge(block, size);
  return block;
}

bool deallocate_huge(void* block) {
  // A handler's free in the middle of the table, of a sample, or of slots that need the pool: left for later.
  // With no room for it the block is lost, the lesser evil.
  const bool is_in_slots = registry().find(reinterpret_cast<uintptr_t>(block)) != nullptr;
  if (huge_blocks().lock().held_by_me() || profiler().lock().held_by_me() ||
      (is_in_slots && lifecycle::busy())) {
    g_deferred.put(block);
    return true;
  }
  {
    const Inside inside;
    if (profiler().has_huge()) profiler().freed(block);
    const HugeBlocks::Watch watch = scavenger::watch();
    if (!huge_blocks().release(block, watch)) return false;
    // A program of huge blocks alone never ticks.
    if (watch == HugeBlocks::Watch::kTicks) huge_blocks().decay(os::now_coarse(), os::now_microseconds() + kDecayUs);
  }
  if (!lifecycle::busy()) scavenger::consider_notices();
  return true;
}

// A handler interrupted this thread inside a slow path: a mapping of its own is always sound.
void* allocate_in_handler(size_t size, size_t alignment) {
  return allocate_huge(size == 0 ? 1 : size, alignment);
}

// This thread's exit handler ran: one block at a time from a parked cache.
void* allocate_departed(ClassIndex c, bool* zero) {
  const Inside inside;
  ThreadCache* host = cache_list().any_parked();
  return host == nullptr ? nullptr : host->borrow_block(c, zero);
}

// nullptr: not this one. What it is has never been used, so it is zero.
void* try_allocate_guarded(size_t size, size_t alignment) {
  if (!guarded_blocks().on() || !guarded_blocks().draw()) return nullptr;
  if (lifecycle::busy() || os::is_sandboxed()) return nullptr;
  const Inside inside;
  return guarded_blocks().allocate(size, alignment);
}

// A handler's free in the middle of the slots is left for later.
bool deallocate_guarded(void* block) {
  if (!guarded_blocks().holds(block)) return false;
  if (guarded_blocks().lock().held_by_me()) {
    g_deferred.put(block);
    return true;
  }
  const Inside inside;
  guarded_blocks().release(block);
  return true;
}

void* take(ThreadCache* cache, ClassIndex c, SlotCount alignment, bool* zero) {
  return alignment == SlotCount(1) ? cache->allocate(c, zero)
                                   : cache->allocate_aligned(c, alignment, zero);
}

// A profiled thread's next sample; nullptr when it is not this one.
void* allocate_sample(ThreadCache* cache, ClassIndex c, SlotCount alignment, size_t size, bool* zero) {
  // Between its fork handlers a thread holds the profiler's lock: the next allocation is the sample.
  if (!cache->takes(size)) return nullptr;
  if (lifecycle::busy()) return alignment == SlotCount(1) ? pop_past_gate(cache, c) : nullptr;
  void* block;
  {
    // A thread whose every block is sampled passes no other slow path.
    const SlowPath slow(cache);
    cache->count_slow_path();
    block = profiler().sample(cache, c, alignment, size, zero);
  }
  after_allocation();
  return block;
}

void* allocate_class(ClassIndex c, SlotCount alignment, size_t size, bool* zero) {
  if (ThreadCache* gated = gated_cache(); gated != nullptr) [[unlikely]] {
    if (void* block = allocate_sample(gated, c, alignment, size, zero); block != nullptr) return block;
  }
  ThreadCache* cache = lifecycle::current_cache();
  if (cache == nullptr) {
    if (lifecycle::departed() && alignment == SlotCount(1)) return allocate_departed(c, zero);
    // What a block of the class would have had: its size's largest power of two.
    const size_t whole = block_bytes(c).count();
    const size_t natural = whole & (~whole + 1);
    const size_t aligned = size_t{alignment.count()} << kSlotShift;
    return allocate_in_handler(whole, alignment == SlotCount(1) ? natural : aligned);
  }
  void* block;
  {
    const SlowPath slow(cache);
    block = take(cache, c, alignment, zero);
    if (block == nullptr) {
      // The system refuses: what lies on this thread's stacks may do.
      cache->trim();
      block = take(cache, c, alignment, zero);
    }
  }
  after_allocation();
  return block;
}

// True when options send this request to libc; seals the options if nobody has.
bool passes_through() {
  if (is_constant(t_front)) lifecycle::current_cache();
  return lifecycle::passes_through();
}

// Straight into its slab: this thread has no cache, because it left or because there is no memory.
void deallocate_without_cache(uint32_t tag, void* block) {
  if (tag_owner(tag) == kNoOwner) report_misuse(Misuse::kReleasedFree, block);
  if (tag_owner(tag).count() > kOwnerMax) report_misuse(Misuse::kInteriorFree, block);
  const Inside inside;
  ThreadCache::return_home(block);
}

// The common case of a block that is not this thread's: a message to its owner is open.
bool append_to_open_message(CacheFront* front, void* block) {
  {
    // A handler that came in between could send the message away.
    const Inside inside;
    Message* message = front->message_for(front->tag_in_primary(block));
    if (message == nullptr) return false;
    message->append(block);
  }
  free_deferred();
  return true;
}

void deallocate_sampled(void* block) {
  if (lifecycle::busy()) {
    g_deferred.put(block);
    return;
  }
  const Inside inside;
  profiler().freed(block);
  ThreadCache::return_home(block);
}

// A block of the reservations; `tag` is its slot's.
void deallocate_ours(uint32_t tag, void* block) {
  if (profiler().is_sampled(tag)) [[unlikely]] return deallocate_sampled(block);
  ThreadCache* cache = lifecycle::current_cache();
  if (cache == nullptr) {
    if (!lifecycle::busy()) return deallocate_without_cache(tag, block);
    // A handler's: left for later. With no room for it the block is lost, the lesser evil.
    g_deferred.put(block);
    return;
  }
  const uint32_t size_class = tag ^ cache->tag;
  {
    // Not even a push before this: the block may be one that a handler freed, of a size that nobody but
    // handlers uses, and another handler may come.
    const SlowPath slow(cache);
    if (size_class < kClasses) {
      cache->deallocate(ClassIndex(size_class), block);
    } else {
      cache->deallocate_remote(tag, block);
    }
  }
  after_free();
}

// The hardened flavour would take a block that a handler got a second time for one freed twice, so nothing
// is popped there by a thread that is not marked busy.
void* try_allocate_unmarked(size_t size) {
  if constexpr (kHardened) return nullptr;
  return try_allocate(size);
}

}  // namespace

void* allocate_missed(size_t size) {
  if (void* block = pop_counted_above_tiny(size); block != nullptr) return block;
  if (passes_through()) return os::libc_malloc(size);
  if (void* block = try_allocate_guarded(size, kMinAlignment); block != nullptr) return block;
  if (size > kLargeMax) return allocate_huge(size, 1);
  bool zero = false;
  return allocate_class(class_of(size), SlotCount(1), size, &zero);
}

void* allocate_slow(size_t size) {
  if (void* block = pop_counted(size); block != nullptr) return block;
  return allocate_missed(size);
}

void deallocate_slow(void* block) {
  if (block == nullptr || push_counted(block) || append_to_open_message(t_front, block)) return;
  const uint32_t tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
  // A huge block in SuperSlabs is INTERIOR throughout.
  if (tag == kInteriorTag && deallocate_huge(block)) return;
  if (tag != kUnusedTag) return deallocate_ours(tag, block);
  if (registry().find(reinterpret_cast<uintptr_t>(block)) != nullptr) {
    report_misuse(Misuse::kReleasedFree, block);
  }
  if (deallocate_guarded(block) || deallocate_huge(block)) return;
  if (passes_through() || libc_owns(block)) {
    os::libc_free(block);
    return;
  }
  report_misuse(Misuse::kForeignFree, block);
}

void* allocate_zeroed(size_t size, size_t slack) {
  void* block = try_allocate_unmarked(size);
  bool zero = false;
  if (block == nullptr) block = pop_counted(size);
  if (block == nullptr) block = pop_counted_above_tiny(size);
  if (block == nullptr) {
    if (passes_through()) return os::libc_calloc(1, size);
    block = try_allocate_guarded(size, kMinAlignment);
    if (block != nullptr) return block;
    if (size > kLargeMax) return allocate_huge(size, 1, HugeBlocks::Contents::kZero);
    block = allocate_class(class_of(size), SlotCount(1), size, &zero);
    if (block == nullptr) return nullptr;
  }
  if (!zero) memset(block, 0, size - slack);
  return block;
}

void* allocate_aligned(size_t alignment, size_t size) {
  if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX) return nullptr;
  if (passes_through()) return os::libc_memalign(alignment, size);
  if (alignment <= kMinAlignment) {
    void* block = try_allocate_unmarked(size);
    return block != nullptr ? block : allocate_slow(size);
  }
  if (void* block = try_allocate_guarded(size, alignment); block != nullptr) return block;
  bool zero = false;
  if (alignment > kSuperSlabBytes.count() || size > kLargeMax) {
    return allocate_huge(size == 0 ? 1 : size, alignment);
  }
  if (alignment > kSlotBytes.count()) {
    const size_t large = size > kMidMax ? size : kMidMax + 1;
    const SlotCount slots(static_cast<uint32_t>(alignment >> kSlotShift));
    return allocate_class(class_of(large), slots, size, &zero);
  }
  // Blocks of a class lie at multiples of its size, and a power of two is never far above.
  ClassIndex c = class_of(round_up(size == 0 ? 1 : size, alignment));
  while (!is_large(c) && block_bytes(c).count() % alignment != 0) c += ClassIndex(1);
  if constexpr (!kHardened) {
    // By the size, because a gate stands there.
    if (void* block = try_allocate(block_bytes(c).count()); block != nullptr) return block;
  }
  return allocate_class(c, SlotCount(1), size, &zero);
}

void idle() {
  ThreadCache* cache = lifecycle::current_cache();
  if (cache == nullptr) return;
  const SlowPath slow(cache);
  cache->trim();
}

bool trim() {
  if (lifecycle::busy()) return false;
  idle();
  Bytes returned;
  {
    const Inside inside;
    returned = upkeep::everything();
  }
  free_deferred();
  return returned.count() != 0;
}

}  // namespace hakmem::heap
