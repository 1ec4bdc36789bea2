#include "large/huge_mapping.h"

#include "base/check.h"
#include "os/pages.h"
#include "os/process.h"
#include "config/geometry.h"

namespace hakmem::huge_mapping {

namespace {

// On both sides of a mapping, without access.
constexpr Bytes kGuard = kSlotBytes;

// Whole page-table leaves move fastest when a block grows.
Bytes alignment_of(Bytes mapped, Bytes alignment) {
  if (alignment < kSuperSlabBytes && mapped >= kSuperSlabBytes) return kSuperSlabBytes;
  const Bytes page = os::page_size();
  return alignment < page ? page : alignment;
}

}  // namespace

void* map(Bytes size, Bytes alignment) {
  const Bytes aligned = alignment_of(size, alignment);
  if constexpr (!kHardened) return os::map(size, aligned);
  void* block = os::reserve_guarded(size, aligned, kGuard);
  if (block == nullptr || os::commit(block, size)) return block;
  os::release_guarded(block, size, kGuard);
  return nullptr;
}

void* resize(void* block, Bytes old_size, Bytes new_size) {
  if constexpr (!kHardened) return os::remap(block, old_size, new_size);
  return os::remap_guarded(block, old_size, new_size, alignment_of(new_size, os::page_size()), kGuard);
}

void unmap(void* block, Bytes size) {
  if constexpr (kHardened) {
    os::release_guarded(block, size, kGuard);
  } else {
    os::unmap(block, size);
  }
}

}  // namespace hakmem::huge_mapping
