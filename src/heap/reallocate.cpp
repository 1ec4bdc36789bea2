// heap: blocks that change their size, and questions about it.
#include <string.h>

#include "base/bits.h"
#include "base/text.h"
#include "os/libc_malloc.h"
#include "os/process.h"
#include "superslab/misuse.h"
#include "pool/shared_pool.h"
#include "large/guarded.h"
#include "large/huge.h"
#include "profile/profiler.h"
#include "heap/foreign.h"
#include "heap/heap.h"
#include "heap/inside.h"
#include "heap/lifecycle.h"
#include "heap/past_gate.h"
#include "heap/scavenger.h"
#include "heap/upkeep.h"

namespace hakmem::heap {

namespace {

constinit std::atomic<uint64_t> g_sized_mismatches{0};

void* allocate_any(size_t size) {
  void* block = try_allocate(size);
  return block != nullptr ? block : allocate_slow(size);
}

void deallocate_any(void* block) {
  if (!try_deallocate(block)) deallocate_slow(block);
}

void* move_to_new(void* block, size_t old_size, size_t size) {
  void* moved = allocate_any(size);
  // A smaller block may be refused, but not having less: the block itself will do.
  if (moved == nullptr) return size <= old_size ? block : nullptr;
  memcpy(moved, block, old_size < size ? old_size : size);
  deallocate_any(block);
  return moved;
}

void require_block_start(uint32_t tag, const void* block) {
  if (tag_owner(tag).count() > kOwnerMax) report_misuse(Misuse::kInteriorFree, block);
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const Slab* slab = registry().slot_of(address)->head();
  if (block_starting_at(*slab, address) == kNoBlock) report_misuse(Misuse::kInteriorFree, block);
}

void report_size_mismatch(const void* block, size_t size, size_t have) {
  // sync: none. The first to count says it.
  if (g_sized_mismatches.fetch_add(1, std::memory_order_relaxed) != 0) return;
  LineWriter line;
  line.append("hakmem: block ").append_hex(reinterpret_cast<uintptr_t>(block));
  line.append(" of ").append_decimal(have).append(" bytes freed with size ").append_decimal(size);
  line.append("; more of this kind are only counted").end_line();
  os::write_stderr(line.data(), line.size());
}

// Whether a block that was asked for so has `have` bytes now.
bool may_have(size_t have, size_t size, size_t alignment) {
  if (size > have) return false;
  // An alignment may have asked for more, and realloc keeps a block of which half is used.
  const size_t kept = have > kLargeMax ? have / 2 : have / 2 + 1;
  return alignment > kMinAlignment || size >= kept || good_size(size) == have;
}

// For a profiled thread this is an allocation, too: one that counts, or ends a sampled one, moves.
bool resize_large(uint32_t tag, void* block, ClassIndex wanted, size_t size) {
  if (lifecycle::busy() || profiler().is_sampled(tag)) return false;
  ThreadCache* gated = gated_cache();
  if (gated != nullptr && gated->would_take(size)) return false;
  const Inside inside;
  const bool resized = pool().resize(registry().slot_of(reinterpret_cast<uintptr_t>(block)), wanted);
  if (resized && gated != nullptr) gated->takes(size);
  return resized;
}

// 0 when the block is not a huge one, or a handler interrupted this thread inside the table.
size_t huge_size(const void* block) {
  if (huge_blocks().lock().held_by_me()) return 0;
  const Inside inside;
  return huge_blocks().size_of(block).count();
}

// 0 when the block is not a guarded one.
size_t guarded_size(const void* block) {
  if (!guarded_blocks().holds(block)) return 0;
  return guarded_blocks().size_of(block);
}

// A mapping of its own has no tag, slots of a huge block have nobody's.
bool may_be_huge(uint32_t tag) { return tag == kUnusedTag || tag == kInteriorTag; }

// What a block of a slab, or a huge one, has; 0 of others, and of a huge one that cannot be asked for now.
size_t ours_has(uint32_t tag, const void* block) {
  if (tag != kUnusedTag && tag_owner(tag).count() <= kOwnerMax) return block_bytes(tag_class(tag)).count();
  return block != nullptr && may_be_huge(tag) ? huge_size(block) : 0;
}

void* reallocate_ours(uint32_t tag, void* block, size_t size) {
  require_block_start(tag, block);
  const ClassIndex old_class = tag_class(tag);
  const size_t old_size = block_bytes(old_class).count();
  if (size <= kLargeMax) {
    const ClassIndex wanted = class_of(size);
    if (wanted == old_class) return block;
    if (is_large(old_class) && is_large(wanted) && resize_large(tag, block, wanted, size)) return block;
    // A smaller class is worth a copy only when it saves half.
    if (size < old_size && size > old_size / 2) return block;
  }
  return move_to_new(block, old_size, size);
}

void* reallocate_huge(void* block, size_t old_size, size_t size) {
  if (size <= kLargeMax && size < old_size / 2) return move_to_new(block, old_size, size);
  const size_t wanted = size <= kLargeMax ? kLargeMax + 1 : size;
  if (void* moved = resize_huge(block, old_size, wanted); moved != nullptr) return moved;
  if (size <= old_size) return block;
  if (void* moved = move_to_new(block, old_size, size); moved != nullptr) return moved;
  // The refusal gave back what was retained.
  return resize_huge(block, old_size, wanted);
}

}  // namespace

void* resize_huge(void* block, size_t old_size, size_t size) {
  const bool is_busy = lifecycle::busy();
  const bool is_in_slots = registry().find(reinterpret_cast<uintptr_t>(block)) != nullptr;
  if ((is_in_slots && is_busy) || profiler().lock().held_by_me()) return nullptr;
  ThreadCache* gated = gated_cache();
  void* moved;
  {
    const Inside inside;
    if (!is_busy && size > old_size) upkeep::relieve_for_huge(Bytes(size - old_size));
    // Before it moves: its old address may be another block's at once.
    if (profiler().has_huge()) profiler().freed(block);
    moved = huge_blocks().resize(block, Bytes(size), scavenger::watch());
    if (moved != nullptr && gated != nullptr && gated->takes(size)) profiler().sample_huge(gated, moved, size);
  }
  if (!is_busy) scavenger::start_if_wanted();
  return moved;
}

void* reallocate(void* block, size_t size) {
  if (block == nullptr) return allocate_any(size);
  if (size == 0) {
    deallocate_any(block);
    return nullptr;
  }
  if (size > PTRDIFF_MAX) return nullptr;
  const uint32_t tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
  if (may_be_huge(tag)) {
    if (const size_t huge = huge_size(block); huge != 0) return reallocate_huge(block, huge, size);
  }
  if (tag != kUnusedTag) return reallocate_ours(tag, block, size);
  if (registry().find(reinterpret_cast<uintptr_t>(block)) != nullptr) {
    report_misuse(Misuse::kReleasedFree, block);
  }
  if (const size_t guarded = guarded_size(block); guarded != 0) return move_to_new(block, guarded, size);
  if (lifecycle::passes_through() || libc_owns(block)) return os::libc_realloc(block, size);
  report_misuse(Misuse::kForeignFree, block);
}

size_t usable_size(void* block) {
  if (block == nullptr) return 0;
  const uint32_t tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
  if (may_be_huge(tag)) {
    if (const size_t huge = huge_size(block); huge != 0) return huge;
  }
  if (const size_t guarded = guarded_size(block); guarded != 0) return guarded;
  if (tag_owner(tag).count() > kOwnerMax) return 0;
  if (tag != kUnusedTag) return block_bytes(tag_class(tag)).count();
  if (!lifecycle::passes_through() && !libc_owns(block)) return 0;
  // glibc's chunk header: size and flags in the word before, of which the header takes one word.
  const size_t word = *(static_cast<const size_t*>(block) - 1);
  const bool mapped = (word & 2) != 0;
  return (word & ~size_t{7}) - (mapped ? 2 : 1) * sizeof(size_t);
}

size_t good_size(size_t size) {
  const size_t page = os::page_size().count();
  if (size > PTRDIFF_MAX - page) return 0;
  if (size > kLargeMax) return round_up(size, page);
  // What libc makes of it is libc's to say.
  return lifecycle::passes_through() ? size : block_bytes(class_of(size)).count();
}

void deallocate_sized_slow(void* block, size_t size, size_t alignment) {
  // Of a size above kTinyMax, or by a profiled thread, whose table names no block's class.
  if (size <= kLargeMax) {
    CacheFront* front = t_front;
    const ClassIndex c = class_of(size);
    if (front->own_class_of(block) == c.count() && front->push(c, block)) return;
  }
  const uint32_t tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
  if (const size_t have = ours_has(tag, block); have != 0 && !may_have(have, size, alignment)) {
    report_size_mismatch(block, size, have);
  }
  deallocate_any(block);
}

uint64_t sized_mismatches() { return g_sized_mismatches.load(std::memory_order_relaxed); }

}  // namespace hakmem::heap
