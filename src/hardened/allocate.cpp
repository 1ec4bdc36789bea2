// hardened: blocks on their way to the program.
#include "front/cache_front.h"
#include "large/huge.h"
#include "heap/heap.h"
#include "heap/inside.h"
#include "hardened/arm.h"
#include "hardened/hardened.h"
#include "hardened/tiny.h"

namespace hakmem::hardened {

namespace {

uint32_t shift_of(size_t alignment) {
  const uint32_t shift = static_cast<uint32_t>(std::countr_zero(alignment));
  return shift < 31 ? shift : 31;
}

void arm_huge(void* block, size_t size, Origin origin, uint32_t alignment_shift) {
  const Inside inside;
  const size_t mapped = huge_blocks().size_of(block).count();
  if (mapped == 0) return;  // libc's
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  // The block behind one in slots looks at the word before it.
  if (registry().find(address) != nullptr) store_word(address + mapped - kCanaryBytes, 0);
  store_unaligned(address + size, canary_at(address + size));
  huge_blocks().set_record(block, BlockRecord(mapped - size, origin, alignment_shift));
}

// What a block has more than was asked for. Behind a huge one in slots lies a last word, too, which the
// block behind it looks at.
size_t extra_of(size_t size, size_t alignment) {
  const bool may_be_huge = size > kLargeMax - 2 * kCanaryBytes || alignment > kSuperSlabBytes.count();
  return may_be_huge ? 2 * kCanaryBytes : kCanaryBytes;
}

constexpr size_t kSizeMax = PTRDIFF_MAX - 2 * kCanaryBytes;

}  // namespace

void* arm(void* block, size_t size, Origin origin, size_t alignment) {
  if (block == nullptr) return nullptr;
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const BlockRecord record(size <= kLargeMax ? size : 0, origin, shift_of(alignment));
  const uint32_t tag = registry().tag_of(address);
  if (tag == kUnusedTag || tag == kInteriorTag) {
    arm_huge(block, size, origin, shift_of(alignment));
    return block;
  }
  const Reservation* home = registry().find(address);
  const size_t offset = home->offset_of(address);
  const ClassIndex c = tag_class(tag);
  const Place place = place_of(*home, offset, c);
  CHECK(place.record != nullptr);
  const BlockRecord before = load_record(place);
  bool sound = end_word_is_sound(address + place.bytes - kCanaryBytes);
  const bool is_zero = before.state() == BlockState::kFreedZeroed || c.count() < kTinyClasses;
  if (is_zero) sound = sound && reads_as_zero(address, place.bytes);
  if (before.live() || !sound) report_bad_reuse(address);
  write_canaries_of(address, size, place.bytes);
  store_record(place, record);
  return block;
}

void* pop_above_tiny(size_t size) {
  if (size > kLargeMax - 2 * kCanaryBytes) return nullptr;
  const Inside inside;
  return inside.front()->pop(class_of(size + kCanaryBytes));
}

bool try_arm_above_tiny(void* block, size_t size, Origin origin) {
  const ClassIndex c = class_of(size + kCanaryBytes);
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const Reservation& home = registry().primary();
  if (!home.holds(address)) return false;
  const Place place{address, class_info(c).block_bytes, mid_record(home, home.offset_of(address), address)};
  if (place.record == nullptr) return false;
  const BlockState before = load_record(place).state();
  // One that was zeroed is to be looked at.
  if (before == BlockState::kLive || before == BlockState::kFreedZeroed) return false;
  return try_surround(place, BlockRecord(size, origin, kMinAlignmentShift));
}

void* allocate_slow(void* block, size_t size, Origin origin) {
  if (size > kSizeMax) return nullptr;
  if (block == nullptr) block = heap::allocate_slow(size + extra_of(size, kMinAlignment));
  return arm(block, size, origin, kMinAlignment);
}

void* allocate_zeroed_slow(void* block, size_t size, Origin origin) {
  if (size > kMidMax - kCanaryBytes && size <= kSizeMax && block == nullptr) {
    const size_t extra = extra_of(size, kMinAlignment);
    return arm(heap::allocate_zeroed(size + extra, extra), size, origin, kMinAlignment);
  }
  block = allocate_slow(block, size, origin);
  // Of tiny blocks only libc's may not be zero: options may send everything there.
  if (block != nullptr) memset(block, 0, size);
  return block;
}

void* allocate_aligned(size_t alignment, size_t size, Origin origin) {
  if (size > kSizeMax) return nullptr;
  void* block = heap::allocate_aligned(alignment, size + extra_of(size, alignment));
  return arm(block, size, origin, alignment);
}

}  // namespace hakmem::hardened
