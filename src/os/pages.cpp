#include "os/pages.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <atomic>

#include "base/bits.h"
#include "base/check.h"
#include "os/lock.h"
#include "os/process.h"
#include "os/raw_syscall.h"
#include "os/sandbox.h"

namespace hakmem::os {

namespace {

constexpr uint32_t kForbidden = rank_bit(LockRank::kCache) | rank_bit(LockRank::kPool) | rank_bit(LockRank::kHuge);

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

// Of a mapping just made, what is not wanted goes back.
void* trim(void* range, size_t wide, uintptr_t begin, size_t size) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(range);
  const uintptr_t end = begin + size;
  if (begin != first) unmap(range, Bytes(begin - first));
  if (end != first + wide) unmap(reinterpret_cast<void*>(end), Bytes(first + wide - end));
  return reinterpret_cast<void*>(begin);
}

void* map_aligned(Bytes size, Bytes alignment, int protection, int flags) {
  if (size.count() + alignment.count() < size.count()) return nullptr;
  void* first = map_raw(size.count(), protection, flags);
  if (first == nullptr) return nullptr;
  if ((reinterpret_cast<uintptr_t>(first) & (alignment.count() - 1)) == 0) return first;
  unmap(first, size);

  const size_t wide = size.count() + alignment.count();
  void* range = map_raw(wide, protection, flags);
  if (range == nullptr) return nullptr;
  return trim(range, wide, round_up(reinterpret_cast<uintptr_t>(range), alignment.count()), size.count());
}

// What one page of the page table's last level maps.
Bytes leaf() { return Bytes(page_size().count() / sizeof(uint64_t) * page_size().count()); }

// As far behind a boundary of leaves as `address` is: then they move as a whole, and huge pages too.
void* reserve_in_step(const void* address, Bytes size) {
  const size_t step = leaf().count();
  const size_t wide = size.count() + step;
  if (wide < size.count()) return nullptr;
  void* range = map_raw(wide, PROT_NONE, MAP_NORESERVE);
  if (range == nullptr) return nullptr;
  const uintptr_t first = reinterpret_cast<uintptr_t>(range);
  return trim(range, wide, first + ((reinterpret_cast<uintptr_t>(address) - first) & (step - 1)), size.count());
}

// relaxed: a hint.
constinit std::atomic<bool> g_in_step_refused{false};

// A refused move loses its target: the kernel may have taken it away before, and somebody may be there by now. So not
// where it may be refused although a plain one is not, nor a second time.
bool may_move_in_step() {
  if (g_in_step_refused.load(std::memory_order_relaxed) || has_entered_sandbox()) return false;
  return address_space_limit() == Bytes(SIZE_MAX) && data_limit() == Bytes(SIZE_MAX);
}

template <class Remapped>
void* move_in_step(const void* address, Bytes new_size, Remapped remapped) {
  void* target = reserve_in_step(address, new_size);
  if (target == nullptr || remapped(MREMAP_MAYMOVE | MREMAP_FIXED, target) >= 0) return target;
  g_in_step_refused.store(true, std::memory_order_relaxed);
  return nullptr;
}

}  // namespace

void* reserve(Bytes size, Bytes alignment) {
  return map_aligned(size, alignment, PROT_NONE, MAP_NORESERVE);
}

void* reserve_guarded(Bytes size, Bytes alignment, Bytes guard) {
  const size_t needed = guard.count() + size.count() + guard.count();
  const size_t wide = needed + alignment.count();
  if (wide < size.count()) return nullptr;
  void* range = map_raw(wide, PROT_NONE, MAP_NORESERVE);
  if (range == nullptr) return nullptr;
  const uintptr_t address = round_up(reinterpret_cast<uintptr_t>(range) + guard.count(), alignment.count());
  trim(range, wide, address - guard.count(), needed);
  return reinterpret_cast<void*>(address);
}

void release_guarded(void* address, Bytes size, Bytes guard) {
  unmap(static_cast<char*>(address) - guard.count(), guard + size + guard);
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

void advise_huge_pages(void* address, Bytes size, bool wanted) {
  DCHECK((held_ranks() & kForbidden) == 0);
  raw_syscall(SYS_madvise, reinterpret_cast<long>(address), static_cast<long>(size.count()),
              wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

// An advice that the system follows for a part only by splitting the page itself, and not just its mapping.
void split_huge_page(void* address, Bytes part) {
  DCHECK((held_ranks() & kForbidden) == 0);
  raw_syscall(SYS_madvise, reinterpret_cast<long>(address), static_cast<long>(part.count()), MADV_FREE);
}

void name_at_start(void* address, Bytes size, const char* name) {
  // From Linux 5.17; libc's headers may be older.
  constexpr long kSetVma = 0x53564d41;
  constexpr long kAnonymousName = 0;
  // relaxed: one thread at a time starts a heap. A kernel that has no names is asked once.
  static constinit std::atomic<bool> refused{false};
  if (refused.load(std::memory_order_relaxed)) return;
  const bool filtered = raw_syscall(SYS_prctl, PR_GET_SECCOMP) != 0;
  if (filtered || raw_syscall(SYS_prctl, kSetVma, kAnonymousName, reinterpret_cast<long>(address),
                              static_cast<long>(size.count()), reinterpret_cast<long>(name)) != 0) {
    refused.store(true, std::memory_order_relaxed);
  }
}

bool withdraw(void* address, Bytes size) {
  DCHECK((held_ranks() & kForbidden) == 0);
  const long result =
      raw_syscall(SYS_mmap, reinterpret_cast<long>(address), static_cast<long>(size.count()), PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return result >= 0;
}

void* remap(void* address, Bytes old_size, Bytes new_size) {
  DCHECK((held_ranks() & kForbidden) == 0);
  const auto remapped = [=](int flags, void* target) {
    return raw_syscall(SYS_mremap, reinterpret_cast<long>(address), static_cast<long>(old_size.count()),
                       static_cast<long>(new_size.count()), flags, reinterpret_cast<long>(target));
  };
  if (new_size >= old_size + leaf()) {
    const long in_place = remapped(0, nullptr);
    if (in_place >= 0) return address;
    if (in_place == -EFAULT) return nullptr;  // several mappings
    if (void* moved = may_move_in_step() ? move_in_step(address, new_size, remapped) : nullptr) return moved;
  }
  const long moved = remapped(MREMAP_MAYMOVE, nullptr);
  return moved < 0 ? nullptr : reinterpret_cast<void*>(moved);
}

void* remap_guarded(void* address, Bytes old_size, Bytes new_size, Bytes alignment, Bytes guard) {
  void* target = reserve_guarded(new_size, alignment, guard);
  if (target == nullptr) return nullptr;
  const long result = raw_syscall(
      SYS_mremap, reinterpret_cast<long>(address), static_cast<long>(old_size.count()),
      static_cast<long>(new_size.count()), MREMAP_MAYMOVE | MREMAP_FIXED,
      reinterpret_cast<long>(target));
  if (result < 0) {
    // The kernel may have taken the target away before it refused, and somebody may be there by now.
    unmap(static_cast<char*>(target) - guard.count(), guard);
    unmap(static_cast<char*>(target) + new_size.count(), guard);
    return nullptr;
  }
  // The hole between the old guards may be somebody's already.
  unmap(static_cast<char*>(address) - guard.count(), guard);
  unmap(static_cast<char*>(address) + old_size.count(), guard);
  return target;
}

}  // namespace hakmem::os
