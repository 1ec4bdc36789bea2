// ThreadCache: the life of one class's stack.
//
// A fence is a NULL that stands in place of an entry, a tripwire a wall below the capacity: the pop or
// push that meets one takes the slow path. Ticks need them, for a program whose stacks always hit
// would never come by otherwise, and no instruction of the fast path counts anything. After a tick
// every stack is watched closely, a fence at its top and a tripwire right above it, and again after
// each such meeting, until the attention of that tick is used up; then a fence at half the depth and
// a tripwire at twice must do. A gated cache has attention without end for the classes above kTinyMax, so
// that none of their pops hits. What lies below the lowest depth met, and below the fence, nobody
// needed since the last tick.
//
// A signal handler may interrupt a pop or a push between its load of the top and its store, and what
// the handler does to the stack meanwhile is then undone in part: the top is stale. Such a program may
// get a block twice, but a stale top stays between a NULL and a wall of its own class, whatever moved:
// neither place of a stack serves anything else, and mend() finds a top that is in the wrong one.
#include <string.h>

#include "superslab/meta_arena.h"
#include "front/budget.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// A wall stays this far above the top: this may be a signal handler, and the push that it interrupted
// has looked at the entry already.
constexpr uint32_t kPushInFlight = 1;
// Shallower stacks rise and fall too often to be watched.
constexpr uint32_t kTripwireMin = 32;

Bytes granted_for(ClassIndex c, uint32_t capacity) {
  const uint32_t free_of_charge = short_entries(c);
  return Bytes(capacity <= free_of_charge
                   ? 0
                   : (capacity - free_of_charge) * size_t{block_bytes(c).count()});
}

// A push that a handler interrupted may have put a block in its place.
void take_down_wall(void*& entry) {
  if (is_wall(entry)) entry = nullptr;
}

void build_ends(void** place, uint32_t entries) {
  place[0] = nullptr;
  place[1 + entries] = wall();
}

}  // namespace

void ThreadCache::materialise(ClassIndex c) {
  ClassState& state = state_of(c);
  void** place = short_place(c);
  memset(place, 0, (short_entries(c) + kEndWords) * sizeof(void*));
  build_ends(place, short_entries(c));
  retired_ = false;
  os::LockGuard guard(lock_);
  state.bottom = place;
  set_depth(c, 0);
  set_capacity(c, short_entries(c));
}

// The wall above the room stays, whatever the capacity.
void ThreadCache::set_capacity(ClassIndex c, uint32_t capacity) {
  ClassState& state = state_of(c);
  DCHECK(capacity <= room(c) && capacity >= depth(c) && state.tripwire == 0);
  if (state.capacity != room(c)) take_down_wall(state.bottom[1 + state.capacity]);
  state.capacity = static_cast<uint16_t>(capacity);
  state.bottom[1 + capacity] = wall();
}

void ThreadCache::grow(ClassIndex c) {
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) return;
  uint32_t wanted = state.capacity * 2u + 1;
  if (wanted > stack_layout(c).entries_max) wanted = stack_layout(c).entries_max;
  if (wanted <= state.capacity) return;
  const Bytes more = granted_for(c, wanted) - granted_for(c, state.capacity);
  if (!budget().grant(more)) return;
  stats_.budget_atomics.add(1);
  if (wanted > room(c) && !move_to_long_place(c)) {
    budget().hand_back(more);
    stats_.budget_atomics.add(1);
    return;
  }
  lift_tripwire(c);
  set_capacity(c, wanted);
}

// What is left behind is empty, in case that a stale top points there.
bool ThreadCache::move_to_long_place(ClassIndex c) {
  ClassState& state = state_of(c);
  void** place = static_cast<void**>(meta_arena().allocate(Bytes(stack_layout(c).long_bytes)));
  if (place == nullptr) return false;
  lift_fence(c);
  lift_tripwire(c);
  build_ends(place, stack_layout(c).long_entries);
  const uint32_t entries = depth(c);
  memcpy(place + 1, state.bottom + 1, entries * sizeof(void*));
  {
    os::LockGuard guard(lock_);
    state.long_place = place;
    state.bottom = place;
    set_depth(c, entries);
    set_capacity(c, state.capacity);
  }
  // Only now: the child of a fork may find the stack in either place, and whole.
  memset(short_place(c) + 1, 0, short_entries(c) * sizeof(void*));
  return true;
}

// The top is a stale one, in the short place that the stack has left: what was pushed there since and
// lies below it goes home. How many entries the long place had is lost, and they with it.
void ThreadCache::mend_slow(ClassIndex c) {
  void* blocks[kShortEntries];
  uint32_t count = 0;
  void** end = short_place(c) + 1 + short_entries(c);
  if (tops[c.count()] < end) end = tops[c.count()];
  for (void** entry = short_place(c) + 1; entry < end; ++entry) {
    if (is_block(*entry)) blocks[count++] = *entry;
    *entry = nullptr;
  }
  lift_fence(c);
  set_depth(c, 0);
  put_blocks(blocks, count);
}

void ThreadCache::shrink(ClassIndex c, uint32_t going) {
  flush(c, depth(c) - going);
  state_of(c).flushed = false;  // not because the stack was too small
  lower_capacity(c);
}

// A pop since would have met the fence, and the second push the tripwire.
bool ThreadCache::is_untouched(ClassIndex c) const {
  return classes_[c.count()].fence == depth(c);
}

// At a tick, with a fence: the lower half of what nobody needed since the last one goes home, and capacity follows.
// This may be a handler that interrupted a pop of this class, whose block would then go home as well, or move down
// on the stack and be popped once more. So a stack that was touched since waits for its own slow path, where the
// watch that follows makes the next pop or push come by.
void ThreadCache::shrink_if_idle(ClassIndex c) {
  ClassState& state = state_of(c);
  const uint32_t idle = state.fence < state.low_water ? state.fence : state.low_water;
  state.shrinks = false;
  if (is_untouched(c)) {
    shrink(c, (idle + 1) / 2);
    state.low_water = static_cast<uint16_t>(depth(c));
  } else {
    state.shrinks = idle != 0;
    state.low_water = static_cast<uint16_t>(idle);
  }
}

// On a slow path of this class, with its fence lifted. No more than a flush moves.
void ThreadCache::shrink_when_met(ClassIndex c) {
  ClassState& state = state_of(c);
  state.shrinks = false;
  const uint32_t entries = depth(c);
  uint32_t going = (state.low_water + 1u) / 2;
  if (going > flush_size(c)) going = flush_size(c);
  if (going > entries) going = entries;
  shrink(c, going);
  state.low_water = static_cast<uint16_t>(depth(c));
}

// By half, but to no less than every thread gets and than lies there.
void ThreadCache::lower_capacity(ClassIndex c) {
  const ClassState& state = state_of(c);
  uint32_t wanted = state.capacity / 2u;
  if (wanted < short_entries(c)) wanted = short_entries(c);
  if (wanted < depth(c) + kPushInFlight) wanted = depth(c) + kPushInFlight;
  if (wanted >= state.capacity) return;
  budget().hand_back(granted_for(c, state.capacity) - granted_for(c, wanted));
  stats_.budget_atomics.add(1);
  lift_tripwire(c);
  set_capacity(c, wanted);
}

// At the end of a slow path: what is watched next. `half` is where the fence goes without attention;
// the stack has no fence now.
void ThreadCache::watch(ClassIndex c, uint32_t half) {
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) return;
  lift_tripwire(c);
  const uint32_t entries = depth(c);
  if (entries < state.low_water) state.low_water = static_cast<uint16_t>(entries);
  if (attention_ != 0 || is_counted_here(c)) {
    if (attention_ != 0) --attention_;
    set_fence(c, entries);
    // Counted, even one push may not pass: then the pop after it would. Where a handler does this the push that it
    // interrupted overwrites the tripwire, and the next step is not counted.
    set_tripwire(c, is_counted_here(c) ? entries : entries + kPushInFlight);
    return;
  }
  set_fence(c, half < entries ? half : entries);
  const uint32_t twice = half * 4 < kTripwireMin ? kTripwireMin : half * 4;
  if (twice >= entries + kPushInFlight) set_tripwire(c, twice);
}

void ThreadCache::set_tripwire(ClassIndex c, uint32_t entries) {
  ClassState& state = state_of(c);
  DCHECK(state.tripwire == 0);
  if (entries >= state.capacity) return;
  state.tripwire = static_cast<uint16_t>(entries);
  state.bottom[1 + entries] = wall();
}

// Afterwards a push succeeds if there is capacity, whatever an earlier use of the memory left there.
void ThreadCache::lift_tripwire(ClassIndex c) {
  ClassState& state = state_of(c);
  if (state.tripwire != 0) take_down_wall(state.bottom[1 + state.tripwire]);
  state.tripwire = 0;
  if (state.bottom != nullptr && depth(c) < state.capacity) *tops[c.count()] = nullptr;
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

// All blocks go home under one lock; the thread goes on, and so the places stay.
void ThreadCache::empty_stacks() {
  Slab* released = nullptr;
  bool stale = false;
  {
    os::LockGuard guard(lock_);
    for (uint32_t i = 0; i < kClasses; ++i) {
      const ClassIndex c(i);
      if (classes_[i].bottom == nullptr) continue;
      const uint32_t entries = depth(c);
      if (entries > room(c)) [[unlikely]] {
        stale = true;
        continue;
      }
      lift_fence(c);
      if (entries != 0) {
        put_blocks_locked(classes_[i].bottom + 1, entries, &released);
        note_flushed(c, 0);
      }
      reset_capacity(c);
    }
  }
  release_chain(released);
  for (uint32_t i = 0; stale && i < kClasses; ++i) empty_stack_of(ClassIndex(i));
}

void ThreadCache::empty_stack_of(ClassIndex c) {
  if (state_of(c).bottom == nullptr) return;
  mend(c);
  flush(c, 0);
  reset_capacity(c);
}

// Of an empty stack, to what every thread gets.
void ThreadCache::reset_capacity(ClassIndex c) {
  ClassState& state = state_of(c);
  set_depth(c, 0);  // published
  state.flushed = false;
  lift_tripwire(c);
  if (state.capacity <= short_entries(c)) return;
  budget().hand_back(granted_for(c, state.capacity));
  stats_.budget_atomics.add(1);
  set_capacity(c, short_entries(c));
}

// The thread has left, and what it may have been interrupted in.
void ThreadCache::drop_stack(ClassIndex c) {
  ClassState& state = state_of(c);
  if (state.bottom == nullptr) return;
  empty_stack_of(c);
  void** place = state.long_place;
  {
    os::LockGuard guard(lock_);
    state.bottom = nullptr;
    state.long_place = nullptr;
    state.capacity = 0;
    tops[c.count()] = empty_stack();
  }
  if (place != nullptr) meta_arena().release(place, Bytes(stack_layout(c).long_bytes));
}

// Nobody runs on this cache, and nothing of its owner's may be trusted to be finished: the topmost
// entry and the last address of a message may not have been written yet, and an entry may be in a
// bitmap already.
void ThreadCache::settle_orphan() {
  orphan_ = false;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassIndex c(i);
    lift_fence(c);
    if (depth(c) > room(c)) set_depth(c, 0);
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
  // Before its slabs may be adopted, or what waits there as its own no longer is.
  quarantine_.take_all([this](void* block) {
    const uint32_t block_tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
    (block_tag ^ tag) < kClasses ? put_blocks(&block, 1) : forward(block_tag, block);
  });
  send_all();
  drop_spare_messages();
  retired_ = true;
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
    // A stale top says nothing.
    const uint32_t entries = depth(ClassIndex(i)) <= room(ClassIndex(i)) ? depth(ClassIndex(i)) : 0;
    for (uint32_t entry = 1; entry <= entries; ++entry) {
      const void* block = entry == state.fence ? state.fenced_block : state.bottom[entry];
      if (is_block(block)) visit(context, block, id_, CachedWhere::kStack);
    }
  }
  quarantine_.for_each([=](const void* block) {
    const uint32_t block_tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
    visit(context, block, tag_owner(block_tag), CachedWhere::kMessage);
  });
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
