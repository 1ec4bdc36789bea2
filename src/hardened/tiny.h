// hardened/tiny.h: the shortest ways of malloc and free.
//
// Responsibility  A tiny block from the thread's own stack, and one of its own slabs back into its
//                 quarantine, with every check.
// Contract        What does not go this way, or is not as it should be, is left untouched to the *_slow()
//                 functions, which serve it, or look again and report. Pass says how contents are looked at.
// Observable      Nothing.
// Composable      block_view, zero, front. Used by hardened, and by entry.h for small blocks.
#pragma once

#include "front/thread_cache.h"
#include "heap/inside.h"
#include "hardened/block_view.h"
#include "hardened/hardened.h"
#include "hardened/zero.h"

namespace hakmem::hardened {

inline constexpr uint32_t kMinAlignmentShift = std::countr_zero(kMinAlignment);

// Canaries and record of a block that becomes the program's; false, and nothing is done, when its end was
// written to.
[[gnu::always_inline]] inline bool try_surround(Place place, BlockRecord record) {
  const uintptr_t end = place.block + place.bytes - kCanaryBytes;
  const uint64_t canary = canary_at(end);
  if (const uint64_t found = load_word(end); found != canary) [[unlikely]] {
    if (found != 0) return false;
    store_word(end, canary);
  }
  write_seam(place.block, record.size(), end, canary);
  store_record(place, record);
  return true;
}

// A free block becomes the program's; false, and nothing is done, when it is not as it was left.
template <class Pass>
[[gnu::always_inline]] inline bool try_arm_tiny(Place place, BlockRecord record) {
  if (!Pass::reads_as_zero(place.block, place.bytes)) [[unlikely]] return false;
  return !load_record(place).live() && try_surround(place, record);
}

[[gnu::always_inline]] inline size_t within_slot(size_t offset) { return offset & (kSlotBytes.count() - 1); }

// A tiny class's slab is one slot.
[[gnu::always_inline]] inline Place tiny_place(const ThreadCache::OwnFigures& figures, uintptr_t address, size_t offset,
                                               ClassIndex c) {
  const uint32_t index = figures.index(c, within_slot(offset));
  return Place{address, figures.bytes(c), figures.record_at(offset, index)};
}

// What serves a request that goes no short way: `block` is one that the stack gave, or nullptr.
using AllocateSlow = void* (*)(void* block, size_t size, Origin origin);
// What blocks above kTinyMax must read as.
enum class Contents : bool { kAny, kZero };

// `size` is at most kTinyMax - kCanaryBytes. What kSlow does not serve is zero.
template <class Pass, AllocateSlow kSlow>
[[gnu::always_inline]] inline void* allocate_tiny(size_t size, Origin origin) {
  void* block;
  const CacheFront* front;
  ClassIndex c;
  {
    const Inside inside;
    front = inside.front();
    c = front->tiny_class_of(size + kCanaryBytes);
    block = inside.front()->pop(c);
  }
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const size_t offset = address - front->base;
  // No block is outside, too.
  if (offset >= front->size) [[unlikely]] return kSlow(block, size, origin);
  const Place place = tiny_place(static_cast<const ThreadCache*>(front)->figures(), address, offset, c);
  const BlockRecord record(size, origin, kMinAlignmentShift);
  if (!try_arm_tiny<Pass>(place, record)) [[unlikely]] return kSlow(block, size, origin);
  return block;
}

// What allocate_above_small() does not do itself: above kTinyMax, and without wide vectors.
template <AllocateSlow kSlow, Contents kContents>
[[gnu::noinline]] void* allocate_otherwise(size_t size, Origin origin) {
  if (size > kTinyMax - kCanaryBytes) {
    void* block = pop_above_tiny(size);
    const bool may_serve = kContents == Contents::kAny && block != nullptr;
    if (may_serve && try_arm_above_tiny(block, size, origin)) return block;
    return kSlow(block, size, origin);
  }
  return allocate_tiny<AboveSmall, kSlow>(size, origin);
}

// The same for any size.
template <AllocateSlow kSlow, Contents kContents>
[[gnu::noinline]] void* allocate_above_small(size_t size, Origin origin) {
  const bool served = size <= kTinyMax - kCanaryBytes && known_to_have_wide_vectors();
  if (!served) [[unlikely]] return allocate_otherwise<kSlow, kContents>(size, origin);
  return allocate_tiny<Wide, kSlow>(size, origin);
}

template <AllocateSlow kSlow, Contents kContents = Contents::kAny>
[[gnu::always_inline]] inline void* allocate(size_t size, Origin origin) {
  if (size > kSmallMax - kCanaryBytes) return allocate_above_small<kSlow, kContents>(size, origin);
  return allocate_tiny<Small, kSlow>(size, origin);
}

// The word before a block is the end of its neighbour, or of another slab.
[[gnu::always_inline]] inline bool front_is_sound(uintptr_t block, size_t offset) {
  // A guard lies before the first block of a reservation.
  return offset == 0 || end_word_is_sound(block - kCanaryBytes);
}

// A live block of class `c` becomes a freed one, with every check; false: it is as it was. `size` kAnySize:
// not given.
template <class Pass>
[[gnu::always_inline]] inline bool try_disarm_tiny(const ThreadCache::OwnFigures& figures, size_t offset, ClassIndex c,
                                                   void* block, size_t size, Origin origin) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const uint32_t index = figures.index(c, within_slot(offset));
  if (index * figures.bytes(c) != within_slot(offset)) [[unlikely]] return false;
  const Place place{address, figures.bytes(c), figures.record_at(offset, index)};
  const BlockRecord record = load_record(place);
  if (!record.live_from(origin)) [[unlikely]] return false;
  if (size != kAnySize && size != record.size()) [[unlikely]] return false;
  if (!canaries_are_sound(place.block, record.size(), place.bytes)) [[unlikely]] return false;
  if (!front_is_sound(place.block, offset)) [[unlikely]] return false;
  // In this order: another free of the block meanwhile is a double free, and says so.
  store_record(place, record.with(BlockState::kFreedZeroed));
  Pass::clear(place.block, place.bytes);
  return true;
}

// True when the block, of class `c` and this thread's own, is on its way.
template <class Pass>
[[gnu::always_inline]] inline bool try_deallocate_tiny(CacheFront* front, size_t offset, ClassIndex c,
                                                       void* block, size_t size, Origin origin) {
  ThreadCache* const cache = static_cast<ThreadCache*>(front);
  if (!try_disarm_tiny<Pass>(cache->figures(), offset, c, block, size, origin)) [[unlikely]] return false;
  void* leaving;
  {
    const Inside inside(front);
    leaving = cache->quarantine().replace(c, block);
    if (leaving == nullptr) return true;
    if (!Quarantine::is_remote(leaving) && front->push(c, leaving)) [[likely]] return true;
  }
  release(leaving);
  return true;
}

[[gnu::always_inline]] inline void deallocate(void* block, Origin origin) {
  CacheFront* front = t_front;
  const size_t offset = reinterpret_cast<uintptr_t>(block) - front->base;
  if (offset >= front->size) [[unlikely]] return deallocate_slow(block, kAnySize, 0, origin);
  // relaxed: constant while the block lives, see Registry::set_tags().
  const uint32_t c = front->tags[offset >> kSlotShift].load(std::memory_order_relaxed) ^ front->tag;
  if (c >= kSmallClasses) return deallocate_above_small(block, origin);
  if (try_deallocate_tiny<Small>(front, offset, ClassIndex(c), block, kAnySize, origin)) [[likely]]
    return;
  deallocate_slow(block, kAnySize, 0, origin);
}

[[gnu::always_inline]] inline void deallocate_sized(void* block, size_t size, Origin origin) {
  if (size > kSmallMax - kCanaryBytes) return deallocate_sized_above_small(block, size, origin);
  CacheFront* front = t_front;
  const uint32_t c = front->own_class_of(block);
  if (c < kSmallClasses) [[likely]] {
    const size_t offset = reinterpret_cast<uintptr_t>(block) - front->base;
    if (try_deallocate_tiny<Small>(front, offset, ClassIndex(c), block, size, origin)) return;
    return deallocate_slow(block, size, 0, origin);
  }
  deallocate_sized_above_small(block, size, origin);
}

}  // namespace hakmem::hardened
