#include "heap/foreign.h"

#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "os/libc_malloc.h"
#include "os/memory_map.h"
#include "os/process.h"

namespace hakmem {

namespace {

// glibc's chunk header: the word before a block holds its size and three flags.
constexpr size_t kIsMapped = 2;
constexpr size_t kOtherArena = 4;
constexpr size_t kFlags = 7;
constexpr size_t kChunkMin = 32;
constexpr size_t kMinChunkAlignment = 16;
// A secondary arena's heap begins at a multiple of this; its first word points into such a heap.
constexpr size_t kArenaHeapBytes = size_t{64} << 20;

// A mapping of its own begins `before` bytes ahead of the chunk and ends with it, both on a page.
bool is_mapped_chunk(uintptr_t block, size_t size_word, const os::MappingInfo& mapping) {
  const uintptr_t chunk = block - 2 * sizeof(size_t);
  const size_t size = size_word & ~kFlags;
  const size_t before = *reinterpret_cast<const size_t*>(chunk);
  const size_t page = os::page_size().count();
  if (before > chunk - mapping.begin || size < kChunkMin || size > PTRDIFF_MAX) return false;
  return ((chunk - before) | (before + size)) % page == 0 && chunk + size <= mapping.end;
}

bool is_arena_chunk(uintptr_t block, size_t size_word, const os::MappingInfo& mapping) {
  const size_t size = size_word & ~kFlags;
  const uintptr_t heap = round_down(block, kArenaHeapBytes);
  if (size < kChunkMin || size % kMinChunkAlignment != 0) return false;
  if (heap != mapping.begin || block - 2 * sizeof(size_t) + size > mapping.end) return false;
  const uintptr_t arena = *reinterpret_cast<const uintptr_t*>(heap);
  return round_down(arena, kArenaHeapBytes) != 0 && arena % sizeof(void*) == 0;
}

}  // namespace

bool libc_owns(const void* pointer) {
  const uintptr_t block = reinterpret_cast<uintptr_t>(pointer);
  if (!os::libc_malloc_present() || block % kMinChunkAlignment != 0) return false;
  if (block < 4 * sizeof(size_t)) return false;
  const os::MappingInfo mapping = os::mapping_at(block);
  if (!mapping.found || !mapping.readable_and_writable) return false;
  if (block - 2 * sizeof(size_t) < mapping.begin) return false;
  const size_t size_word = *reinterpret_cast<const size_t*>(block - sizeof(size_t));
  if (mapping.is_program_heap) {
    // The heap may be several mappings in a row, so a chunk may end behind this one.
    const size_t size = size_word & ~kFlags;
    return (size_word & (kIsMapped | kOtherArena)) == 0 && size >= kChunkMin &&
           size % kMinChunkAlignment == 0 && size <= PTRDIFF_MAX;
  }
  if (!mapping.is_anonymous) return false;
  if ((size_word & kIsMapped) != 0) return is_mapped_chunk(block, size_word, mapping);
  return (size_word & kOtherArena) != 0 && is_arena_chunk(block, size_word, mapping);
}

}  // namespace hakmem
