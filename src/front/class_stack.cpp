// ThreadCache: the life of one class's stack.
//
// A fence is a NULL that stands in place of an entry, a tripwire a limit below the capacity: the pop or
// push that meets one takes the slow path. Ticks need them, for a program whose stacks always hit
// would never come by otherwise, and no instruction of the fast path counts anything. After a tick
// every stack is watched closely, a fence at its top and a tripwire right above it, and again after
// each such meeting, until the attention of that tick is used up; then a fence at half the depth and
// a tripwire at twice must do. What lies below the lowest depth met, and below the fence, nobody
// needed since the last tick.
#include <string.h>

#include "superslab/meta_arena.h"
#include "front/budget.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// Every thread gets this much of a class it uses, outside the budget; of blocks above a slot's size
// nothing, for the pool gives them back as fast.
constexpr uint32_t kInitialEntries = 15;
constexpr size_t kInitialBytes = size_t{64} << 10;
// No stack grows beyond either of these.
constexpr uint32_t kEntriesMax = 2047;
constexpr size_t kStackBytesMax = size_t{4} << 20;
// A limit stays this far above the top: this may be a signal handler, and the push that it interrupted
// has compared with the old limit already.
constexpr uint32_t kPushInFlight = 1;
// Shallower stacks rise and fall too often to be watched.
constexpr uint32_t kTripwireMin = 32;

uint32_t entries_within(ClassIndex c, size_t bytes, uint32_t most) {
  const size_t fit = bytes / block_bytes(c).count();
  return fit < most ? static_cast<uint32_t>(fit) : most;
}

uint32_t initial_capacity(ClassIndex c) {
  return entries_within(c, kInitialBytes, kInitialEntries);
}
uint32_t capacity_max(ClassIndex c) { return entries_within(c, kStackBytesMax, kEntriesMax); }

// With the NULL under it, a stack fills a cell of the meta arena.
Bytes array_bytes(uint32_t entries) {
  const size_t bytes = (entries + size_t{1}) * sizeof(void*);
  return Bytes(bytes < MetaArena::kCellMin ? MetaArena::kCellMin : std::bit_ceil(bytes));
}

uint32_t room_of(Bytes array) { return static_cast<uint32_t>(array.count() / sizeof(void*)) - 1; }

Bytes granted_for(ClassIndex c, uint32_t capacity) {
  const uint32_t free_of_charge = initial_capacity(c);
  return Bytes(capacity <= free_of_charge
                   ? 0
                   : (capacity - free_of_charge) * size_t{block_bytes(c).count()});
}

}  // namespace

bool ThreadCache::materialise(ClassIndex c) {
  ClassState& state = state_of(c);
  const Bytes bytes = array_bytes(initial_capacity(c));
  void** array = static_cast<void**>(meta_arena().allocate(bytes));
  if (array == nullptr) return false;
  array[0] = nullptr;
  os::LockGuard guard(lock_);
  state.bottom = array;
  state.room = static_cast<uint16_t>(room_of(bytes));
  set_depth(c, 0);
  set_capacity(c, initial_capacity(c));
  return true;
}

void ThreadCache::set_capacity(ClassIndex c, uint32_t capacity) {
  ClassState& state = state_of(c);
  DCHECK(capacity <= state.room && capacity >= depth(c));
  state.capacity = static_cast<uint16_t>(capacity);
  limits[c.count()] = state.bottom + 1 + capacity;
}

void ThreadCache::grow(ClassIndex c) {
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) return;
  uint32_t wanted = state.capacity * 2u + 1;
  if (wanted > capacity_max(c)) wanted = capacity_max(c);
  if (wanted <= state.capacity) return;
  const Bytes more = granted_for(c, wanted) - granted_for(c, state.capacity);
  if (!budget().grant(more)) return;
  if (wanted <= state.room) {
    set_capacity(c, wanted);
    return;
  }
  lift_fence(c);
  const Bytes bytes = array_bytes(wanted);
  void** array = static_cast<void**>(meta_arena().allocate(bytes));
  if (array == nullptr) {
    budget().hand_back(more);
    return;
  }
  void** old_array = state.bottom;
  const Bytes old_bytes = array_bytes(state.room);
  const uint32_t entries = depth(c);
  memcpy(array, old_array, (entries + size_t{1}) * sizeof(void*));
  {
    os::LockGuard guard(lock_);
    state.bottom = array;
    state.room = static_cast<uint16_t>(room_of(bytes));
    set_depth(c, entries);
    set_capacity(c, wanted);
  }
  meta_arena().release(old_array, old_bytes);
}

// The lower half of what nobody needed since the last tick goes home, and capacity follows.
void ThreadCache::shrink(ClassIndex c) {
  ClassState& state = state_of(c);
  const uint32_t idle = state.fence < state.low_water ? state.fence : state.low_water;
  flush(c, depth(c) - (idle + 1) / 2);
  state.flushed = false;  // not because the stack was too small
  lower_capacity(c);
}

// By half, but to no less than every thread gets and than lies there.
void ThreadCache::lower_capacity(ClassIndex c) {
  const ClassState& state = state_of(c);
  uint32_t wanted = state.capacity / 2u;
  if (wanted < initial_capacity(c)) wanted = initial_capacity(c);
  if (wanted < depth(c) + kPushInFlight) wanted = depth(c) + kPushInFlight;
  if (wanted >= state.capacity) return;
  budget().hand_back(granted_for(c, state.capacity) - granted_for(c, wanted));
  set_capacity(c, wanted);
}

// At the end of a slow path: what is watched next. `half` is where the fence goes without attention;
// the stack has neither fence nor tripwire now.
void ThreadCache::watch(ClassIndex c, uint32_t half) {
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) return;
  const uint32_t entries = depth(c);
  if (entries < state.low_water) state.low_water = static_cast<uint16_t>(entries);
  if (attention_ != 0) {
    --attention_;
    set_fence(c, entries);
    set_tripwire(c, entries + kPushInFlight);
    return;
  }
  set_fence(c, half);
  const uint32_t twice = half * 4 < kTripwireMin ? kTripwireMin : half * 4;
  if (twice >= entries + kPushInFlight) set_tripwire(c, twice);
}

void ThreadCache::set_tripwire(ClassIndex c, uint32_t entries) {
  const ClassState& state = state_of(c);
  if (entries < state.capacity) limits[c.count()] = state.bottom + 1 + entries;
}

bool ThreadCache::at_tripwire(ClassIndex c) const {
  const ClassState& state = classes_[c.count()];
  return state.bottom != nullptr && limits[c.count()] != state.bottom + 1 + state.capacity;
}

void ThreadCache::lift_tripwire(ClassIndex c) {
  const ClassState& state = state_of(c);
  if (state.bottom != nullptr) limits[c.count()] = state.bottom + 1 + state.capacity;
}

void ThreadCache::lift_fence(ClassIndex c) {
  ClassState& state = state_of(c);
  if (state.fence == 0) return;
  // A pop or push that a handler of this thread interrupted may have gone past the fence since; then
  // the block is no longer the stack's.
  void*& place = state.bottom[state.fence];
  if (state.fence <= depth(c) && place == nullptr) place = state.fenced_block;
  state.fence = 0;
}

// In place of that entry; 0: no fence.
void ThreadCache::set_fence(ClassIndex c, uint32_t entry) {
  ClassState& state = state_of(c);
  DCHECK(state.fence == 0 && entry <= depth(c));
  if (entry == 0) return;
  state.fenced_block = state.bottom[entry];
  state.fence = static_cast<uint16_t>(entry);
  state.bottom[entry] = nullptr;
}

void ThreadCache::drop_stack(ClassIndex c) {
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) return;
  flush(c, 0);
  state.flushed = false;
  budget().hand_back(granted_for(c, state.capacity));
  void** array = state.bottom;
  const Bytes bytes = array_bytes(state.room);
  {
    os::LockGuard guard(lock_);
    state.bottom = nullptr;
    state.capacity = 0;
    state.room = 0;
    limits[c.count()] = empty_stack();
    tops[c.count()] = empty_stack();
    state.published_depth.store(0, std::memory_order_relaxed);
  }
  meta_arena().release(array, bytes);
}

// Nobody runs on this cache, and nothing of its owner's may be trusted to be finished: the topmost
// entry and the last address of a message may not have been written yet, and an entry may be in a
// bitmap already.
void ThreadCache::settle_orphan() {
  orphan_ = false;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassIndex c(i);
    lift_fence(c);
    if (depth(c) != 0) set_depth(c, depth(c) - 1);
    for (uint32_t entries = depth(c); entries != 0; --entries) {
      void* block = state_of(c).bottom[entries];
      const uintptr_t address = reinterpret_cast<uintptr_t>(block);
      const uint32_t block_tag = registry().tag_of(address);
      const bool mine = (block_tag ^ tag) < kClasses;
      const Slab* slab = mine ? registry().slot_of(address)->head() : nullptr;
      const uint32_t index = mine ? block_starting_at(*slab, address) : kNoBlock;
      if (index != kNoBlock && !block_is_free(*slab, index)) put_blocks(&block, 1);
      set_depth(c, entries - 1);
    }
    drop_stack(c);
  }
  for (Message* message : open) {
    if (message != no_message() && message->count != 0) --message->count;
  }
  send_all();
}

Bytes ThreadCache::cached_bytes() const {
  Bytes total;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const size_t entries = classes_[i].published_depth.load(std::memory_order_relaxed);
    total += Bytes(entries * block_bytes(ClassIndex(i)).count());
  }
  return total;
}

void ThreadCache::visit_cached(void* context, VisitBlock visit) const {
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassState& state = classes_[i];
    if (state.bottom == nullptr) continue;
    const uint32_t entries = depth(ClassIndex(i));
    for (uint32_t entry = 1; entry <= entries; ++entry) {
      visit(context, entry == state.fence ? state.fenced_block : state.bottom[entry], id_,
            CachedWhere::kStack);
    }
  }
  for (const Message* message : open) {
    for (uint32_t i = 0; i < message->count; ++i) {
      visit(context, message->blocks[i], message->owner(), CachedWhere::kMessage);
    }
  }
  for (const Message* message = inbox_.peek(); message != nullptr; message = message->next) {
    for (uint32_t i = 0; i < message->count; ++i) {
      visit(context, message->blocks[i], message->owner(), CachedWhere::kMessage);
    }
  }
}

}  // namespace hakmem
