#include "os/pages.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "base/check.h"
#include "os/lock.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

constexpr uint32_t kForbidden = rank_bit(LockRank::kCache) | rank_bit(LockRank::kPool);

void* map_raw(size_t size, int protection, int flags) {
  DCHECK((held_ranks() & kForbidden) == 0);
  const long result = raw_syscall(SYS_mmap, 0, static_cast<long>(size), protection,
                                  MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  // Addresses are below 2^63; the kernel's errors are -4095..-1.
  return result < 0 ? nullptr : reinterpret_cast<void*>(result);
}

bool protect_raw(void* address, Bytes size, int protection) {
  DCHECK((held_ranks() & kForbidden) == 0);
  return raw_syscall(SYS_mprotect, reinterpret_cast<long>(address), static_cast<long>(size.count()),
                     protection) == 0;
}

void* map_aligned(Bytes size, Bytes alignment, int protection, int flags) {
  if (size.count() + alignment.count() < size.count()) return nullptr;
  void* first = map_raw(size.count(), protection, flags);
  if (first == nullptr) return nullptr;
  if ((reinterpret_cast<uintptr_t>(first) & (alignment.count() - 1)) == 0) return first;
  unmap(first, size);

  const size_t wide = size.count() + alignment.count();
  void* spare = map_raw(wide, protection, flags);
  if (spare == nullptr) return nullptr;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(spare);
  const uintptr_t aligned = round_up(begin, alignment.count());
  if (aligned != begin) unmap(spare, Bytes(aligned - begin));
  const uintptr_t end = aligned + size.count();
  if (begin + wide != end) unmap(reinterpret_cast<void*>(end), Bytes(begin + wide - end));
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

void* reserve(Bytes size, Bytes alignment) {
  return map_aligned(size, alignment, PROT_NONE, MAP_NORESERVE);
}

bool commit(void* address, Bytes size) {
  return protect_raw(address, size, PROT_READ | PROT_WRITE);
}

bool make_readable(void* address, Bytes size) { return protect_raw(address, size, PROT_READ); }

void* map(Bytes size, Bytes alignment) {
  return map_aligned(size, alignment, PROT_READ | PROT_WRITE, 0);
}

void unmap(void* address, Bytes size) {
  DCHECK((held_ranks() & kForbidden) == 0);
  // A refusal (no room for one mapping more) leaks address space and nothing else.
  if (raw_syscall(SYS_munmap, reinterpret_cast<long>(address), static_cast<long>(size.count())) !=
      0) {
    purge(address, size);
  }
}

bool purge(void* address, Bytes size) {
  DCHECK((held_ranks() & kForbidden) == 0);
  return raw_syscall(SYS_madvise, reinterpret_cast<long>(address), static_cast<long>(size.count()),
                     MADV_DONTNEED) == 0;
}

void* remap(void* address, Bytes old_size, Bytes new_size) {
  DCHECK((held_ranks() & kForbidden) == 0);
  const long result =
      raw_syscall(SYS_mremap, reinterpret_cast<long>(address), static_cast<long>(old_size.count()),
                  static_cast<long>(new_size.count()), MREMAP_MAYMOVE);
  return result < 0 ? nullptr : reinterpret_cast<void*>(result);
}

}  // namespace hakmem::os
