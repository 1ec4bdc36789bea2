// hardened: blocks on their way back.
#include "os/process.h"
#include "config/config.h"
#include "front/cache_front.h"
#include "front/thread_cache.h"
#include "large/huge.h"
#include "heap/heap.h"
#include "heap/inside.h"
#include "hardened/arm.h"
#include "hardened/hardened.h"
#include "hardened/tiny.h"

namespace hakmem::hardened {

namespace {

// What the call says about the block; kAnySize, 0: nothing. By value everywhere, for most of it is constant
// in most calls.
struct Claim {
  size_t size;
  size_t alignment;
  Origin origin;
};

// Ends the process unless the call fits the block, of which `have` bytes were asked for.
[[gnu::noinline]] void require_fit(const void* block, size_t have, BlockRecord record, Claim claim) {
  const bool kind_fits = claim.origin == record.origin() || claim.origin == Origin::kAny ||
                         record.origin() == Origin::kAny || !config().match_new_delete;
  const bool size_fits = claim.size == have || claim.size == kAnySize;
  const bool alignment_fits = claim.alignment == 0 || record.alignment_shift() >= 31 ||
                              claim.alignment == size_t{1} << record.alignment_shift();
  if (kind_fits && size_fits && alignment_fits) return;
  const Origin origin = kind_fits ? Origin::kAny : claim.origin;
  report_mismatch(block, have, record, origin, claim.size, claim.alignment);
}

// Ends the process unless the block is live and sound; returns its record.
// Inline, for a Place that travels through memory is read before it has arrived there.
[[gnu::always_inline]] inline BlockRecord require_sound(Place place, size_t offset, Claim claim) {
  if (place.record == nullptr) report_not_live(place.block);
  const BlockRecord record = load_record(place);
  const bool fits = record.live_from(claim.origin) && claim.alignment == 0 &&
                    (claim.size == kAnySize || claim.size == record.size());
  if (!fits) [[unlikely]] {
    if (!record.live()) report_not_live(place.block);
    require_fit(reinterpret_cast<const void*>(place.block), record.size(), record, claim);
  }
  if (!canaries_are_sound(place.block, record.size(), place.bytes)) {
    report_overflow(place.block, record.size(), place.bytes);
  }
  if (!front_is_sound(place.block, offset)) report_underflow(place.block);
  return record;
}

// To the heap, by way of the quarantine.
void recycle(ClassIndex c, void* block) {
  void* leaving = block;
  {
    const Inside inside;
    CacheFront* front = inside.front();
    if (!is_constant(front)) {
      const bool own = front->own_class_of(block) == c.count();
      void* const waiting = own ? block : Quarantine::as_remote(block);
      leaving = static_cast<ThreadCache*>(front)->quarantine().replace(c, waiting);
      if (leaving == nullptr) return;
      if (!Quarantine::is_remote(leaving) && front->push(c, leaving)) return;
    }
  }
  release(leaving);
}

// False when it is no huge block of ours, or when a handler interrupted this thread inside the table.
bool find_huge(const void* block, BlockRecord* record, size_t* mapped) {
  if (huge_blocks().lock().held_by_me()) return false;
  const Inside inside;
  Bytes size;
  if (!huge_blocks().find_record(block, record, &size)) return false;
  *mapped = size.count();
  return true;
}

// Returns what was asked for.
size_t require_sound_huge(const void* block, BlockRecord record, size_t mapped, Claim claim) {
  const size_t size = mapped - record.size();
  const uintptr_t end = reinterpret_cast<uintptr_t>(block) + size;
  require_fit(block, size, record, claim);
  if (load_unaligned(end) != canary_at(end)) {
    report_overflow(reinterpret_cast<uintptr_t>(block), size, size + kCanaryBytes);
  }
  return size;
}

// Not nobody's, and not the inside of a large block or a huge one.
bool is_of_slab(uint32_t tag) { return tag_owner(tag).count() - 1 < kOwnerMax; }

// A block of a slab that the fast way is not for.
void deallocate_in_slab(const Reservation& home, uint32_t tag, void* block, Claim claim) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const ClassIndex c = tag_class(tag);
  const Place place = place_of(home, home.offset_of(address), c);
  const BlockRecord record = require_sound(place, home.offset_of(address), claim);
  const bool zeroes = place.bytes <= config().zero_freed_bytes || c.count() < kTinyClasses;
  store_record(place, record.with(zeroes ? BlockState::kFreedZeroed : BlockState::kFreed));
  if (zeroes) memset(block, 0, place.bytes - kCanaryBytes);
  is_large(c) ? heap::deallocate_slow(block) : recycle(c, block);
}

void deallocate_claimed(void* block, Claim claim) {
  if (block == nullptr) return;
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const uint32_t tag = registry().tag_of(address);
  if (is_of_slab(tag)) return deallocate_in_slab(*registry().find(address), tag, block, claim);
  BlockRecord record(kNeverRecord);
  size_t mapped = 0;
  if (find_huge(block, &record, &mapped)) require_sound_huge(block, record, mapped, claim);
  // Gives it back, hands it to libc, or says whose it is not.
  heap::deallocate_slow(block);
}

// A tiny block of another thread's: as the short way, but what it touches is in another core's cache, so it is
// asked for at once, and for writing.
template <class Pass>
bool try_disarm_remote(const ThreadCache::OwnFigures& figures, size_t offset, ClassIndex c, void* block, size_t size,
                       Origin origin) {
  const Place place = tiny_place(figures, reinterpret_cast<uintptr_t>(block), offset, c);
  os::prefetch_to_write(place.record);
  os::prefetch_to_write(block);
  os::prefetch_to_write(reinterpret_cast<void*>(place.block + place.bytes - kCanaryBytes));
  return try_disarm_tiny<Pass>(figures, offset, c, block, size, origin);
}

// A mid block, whosever, that keeps its contents.
bool try_disarm_mid(size_t offset, ClassIndex c, void* block, size_t size, Origin origin) {
  const size_t bytes = class_info(c).block_bytes;
  if (bytes <= config().zero_freed_bytes) return false;
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  RecordWord* const word = mid_record(registry().primary(), offset, address);
  if (word == nullptr) return false;
  const Place place{address, bytes, word};
  const BlockRecord record = load_record(place);
  if (!record.live_from(origin) || (size != kAnySize && size != record.size())) return false;
  if (!canaries_are_sound(address, record.size(), bytes) || !front_is_sound(address, offset)) return false;
  store_record(place, record.with(BlockState::kFreed));
  return true;
}

// By way of the quarantine to the stack, or into a message.
void send_on(ThreadCache* cache, ClassIndex c, void* waiting) {
  void* leaving;
  {
    const Inside inside(cache);
    leaving = cache->quarantine().replace(c, waiting);
    if (leaving == nullptr) return;
    if (Quarantine::is_remote(leaving)) {
      void* const travelling = Quarantine::block_of(leaving);
      Message* message = cache->message_for(cache->tag_in_primary(travelling));
      if (message != nullptr) [[likely]] return message->append(travelling);
    } else if (cache->push(c, leaving)) {
      return;
    }
  }
  release(leaving);
}

// Whatever is no tiny block of this thread's own.
[[gnu::noinline]] void deallocate_other(void* block, size_t size, Origin origin) {
  CacheFront* front = t_front;
  const size_t offset = reinterpret_cast<uintptr_t>(block) - front->base;
  if (offset >= front->size || !is_cache(front)) return deallocate_slow(block, size, 0, origin);
  // relaxed: constant while the block lives, see Registry::set_tags().
  const uint32_t tag = front->tags[offset >> kSlotShift].load(std::memory_order_relaxed);
  const ClassIndex c = tag_class(tag);
  ThreadCache* cache = static_cast<ThreadCache*>(front);
  const bool own = (tag ^ front->tag) < kClasses;
  const bool mid = c.count() >= kTinyClasses;
  const bool has_short_way = is_of_slab(tag) && !is_large(c) && (mid || !own);
  if (!has_short_way) return deallocate_slow(block, size, 0, origin);
  const bool small = c.count() < kSmallClasses;
  const auto& figures = cache->figures();
  const bool served = mid     ? try_disarm_mid(offset, c, block, size, origin)
                      : small ? try_disarm_remote<Small>(figures, offset, c, block, size, origin)
                              : try_disarm_remote<AboveSmall>(figures, offset, c, block, size, origin);
  if (!served) return deallocate_slow(block, size, 0, origin);
  send_on(cache, c, own ? block : Quarantine::as_remote(block));
}

// As deallocate() and deallocate_sized(), for tiny blocks that are not small.
template <class Pass>
[[gnu::always_inline]] inline void deallocate_tiny(void* block, size_t size, Origin origin) {
  CacheFront* front = t_front;
  const uint32_t c = front->own_class_of(block);
  if (c - kSmallClasses < kTinyClasses - kSmallClasses) [[likely]] {
    const size_t offset = reinterpret_cast<uintptr_t>(block) - front->base;
    if (try_deallocate_tiny<Pass>(front, offset, ClassIndex(c), block, size, origin)) return;
  }
  deallocate_other(block, size, origin);
}

[[gnu::noinline]] void deallocate_without_wide(void* block, size_t size, Origin origin) {
  deallocate_tiny<AboveSmall>(block, size, origin);
}

// The block's place and what was asked for, when it is one of a slab of ours; nullptr for others.
struct Found {
  Place place;
  BlockRecord record;
  size_t size;
  bool ours;
};

Found find_sound(void* block, Origin origin) {
  const Claim claim{kAnySize, 0, origin};
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  Found found{Place{address, 0, nullptr}, BlockRecord(kNeverRecord), 0, false};
  const uint32_t tag = registry().tag_of(address);
  if (is_of_slab(tag)) {
    const Reservation& home = *registry().find(address);
    found.place = place_of(home, home.offset_of(address), tag_class(tag));
    found.record = require_sound(found.place, home.offset_of(address), claim);
    found.size = found.record.size();
    found.ours = true;
    return found;
  }
  if (find_huge(block, &found.record, &found.place.bytes)) {
    found.size = require_sound_huge(block, found.record, found.place.bytes, claim);
    found.ours = true;
  }
  return found;
}

// True when the block serves a new size where it is: the class fits, or too little would be saved.
bool resize_in_place(const Found& found, void* block, size_t size) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const bool huge = found.place.record == nullptr;
  const size_t needed = size + (huge ? 2 : 1) * kCanaryBytes;
  const bool fits = needed <= found.place.bytes && (size >= found.size || size > found.size / 2);
  if (!fits) return false;
  if (huge) {
    const size_t slack = found.place.bytes - size;
    if (slack > kLargeMax) return false;
    store_unaligned(address + found.size, 0);
    store_unaligned(address + size, canary_at(address + size));
    const Inside inside;
    return huge_blocks().set_record(
        block, BlockRecord(slack, found.record.origin(), found.record.alignment_shift()));
  }
  // The program must not find the old canary in what it got.
  erase_seam(address, found.size, found.place.bytes);
  write_canaries_of(address, size, found.place.bytes);
  store_record(found.place,
               BlockRecord(size, found.record.origin(), found.record.alignment_shift()));
  return true;
}

// A huge block's pages move, its contents with them; nullptr when they must be copied.
void* move_huge(const Found& found, void* block, size_t size) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const bool movable = found.place.record == nullptr && size > kLargeMax &&
                       registry().find(address) == nullptr;
  if (!movable) return nullptr;
  store_unaligned(address + found.size, 0);
  void* moved = heap::resize_huge(block, found.place.bytes, size + 2 * kCanaryBytes);
  const size_t alignment = size_t{1} << found.record.alignment_shift();
  if (moved != nullptr) return arm(moved, size, found.record.origin(), alignment);
  store_unaligned(address + found.size, canary_at(address + found.size));
  return nullptr;
}

}  // namespace

void release(void* waiting) { heap::deallocate_slow(Quarantine::block_of(waiting)); }

void deallocate_slow(void* block, size_t size, size_t alignment, Origin origin) {
  deallocate_claimed(block, Claim{size, alignment, origin});
}

void deallocate_above_small(void* block, Origin origin) {
  if (!known_to_have_wide_vectors()) [[unlikely]] return deallocate_without_wide(block, kAnySize, origin);
  deallocate_tiny<Wide>(block, kAnySize, origin);
}

void deallocate_sized_above_small(void* block, size_t size, Origin origin) {
  if (!known_to_have_wide_vectors()) [[unlikely]] return deallocate_without_wide(block, size, origin);
  deallocate_tiny<Wide>(block, size, origin);
}

void* reallocate(void* block, size_t size) {
  if (block == nullptr) return allocate<allocate_slow>(size, Origin::kMalloc);
  if (size == 0) {
    deallocate_slow(block, kAnySize, 0, Origin::kMalloc);
    return nullptr;
  }
  if (size > PTRDIFF_MAX - 2 * kCanaryBytes) return nullptr;
  const Found found = find_sound(block, Origin::kMalloc);
  // libc's, or nobody's.
  if (!found.ours) return heap::reallocate(block, size);
  if (resize_in_place(found, block, size)) return block;
  void* moved = move_huge(found, block, size);
  if (moved != nullptr) return moved;
  moved = allocate<allocate_slow>(size, Origin::kMalloc);
  if (moved == nullptr) return size <= found.size ? block : nullptr;
  memcpy(moved, block, found.size < size ? found.size : size);
  deallocate_slow(block, kAnySize, 0, Origin::kMalloc);
  return moved;
}

size_t usable_size(void* block) {
  if (block == nullptr) return 0;
  const Found found = find_sound(block, Origin::kAny);
  return found.ours ? found.size : heap::usable_size(block);
}

}  // namespace hakmem::hardened
