#include "superslab/meta_arena.h"

#include "base/bits.h"
#include "os/pages.h"
#include "os/process.h"

namespace hakmem {

namespace {

constinit MetaArena g_meta_arena;

// One range serves a heap of several GiB; where address space is short, small ranges do.
constexpr Bytes kRangeBytes = mib(64);
constexpr Bytes kRangeBytesMin = mib(1);
constexpr Bytes kCommitStep = kib(256);

constexpr uint32_t bucket_of(size_t size) {
  const size_t cell = size <= MetaArena::kCellMin ? MetaArena::kCellMin : std::bit_ceil(size);
  return static_cast<uint32_t>(std::countr_zero(cell)) - 6;
}

constexpr size_t bucket_bytes(uint32_t bucket) { return MetaArena::kCellMin << bucket; }

static_assert(bucket_of(MetaArena::kCellMax) == 10);

}  // namespace

MetaArena& meta_arena() { return g_meta_arena; }

void* MetaArena::allocate(Bytes size) {
  CHECK(size.count() <= kCellMax);
  const uint32_t bucket = bucket_of(size.count());
  const size_t cell_bytes = bucket_bytes(bucket);
  os::LockGuard guard(lock_);
  if (FreeCell* cell = free_[bucket]; cell != nullptr) {
    free_[bucket] = cell->next;
    in_use_ += Bytes(cell_bytes);
    return cell;
  }
  const size_t alignment = cell_bytes < 4096 ? cell_bytes : size_t{4096};
  uintptr_t cell = round_up(cursor_, alignment);
  if (cursor_ == 0 || cell + cell_bytes > committed_end_) {
    if (!extend(cell_bytes + alignment)) return nullptr;
    cell = round_up(cursor_, alignment);
  }
  cursor_ = cell + cell_bytes;
  in_use_ += Bytes(cell_bytes);
  return reinterpret_cast<void*>(cell);
}

void MetaArena::release(void* cell, Bytes size) {
  const uint32_t bucket = bucket_of(size.count());
  FreeCell* freed = static_cast<FreeCell*>(cell);
  os::LockGuard guard(lock_);
  freed->next = free_[bucket];
  free_[bucket] = freed;
  in_use_ -= Bytes(bucket_bytes(bucket));
}

MetaStats MetaArena::stats() {
  os::LockGuard guard(lock_);
  return MetaStats{committed_, in_use_};
}

// Commits more of the current range, or reserves a new one with a guard page at each end; what is
// left of the old range is given up (less than a commit step).
bool MetaArena::extend(size_t bytes) {
  if (range_end_ - committed_end_ >= bytes) return commit_step(bytes);
  const size_t guard = os::page_size().count();
  const size_t limit = os::address_space_limit().count();
  Bytes range = kRangeBytes;
  while (range > kRangeBytesMin && range.count() > limit / 64) range = Bytes(range.count() / 2);
  void* fresh = os::reserve(range, os::page_size());
  while (fresh == nullptr && range > kRangeBytesMin) {
    range = Bytes(range.count() / 2);
    fresh = os::reserve(range, os::page_size());
  }
  if (fresh == nullptr) return false;
  if (cursor_ == 0) os::name_at_start(fresh, range, "hakmem: metadata");
  cursor_ = reinterpret_cast<uintptr_t>(fresh) + guard;
  committed_end_ = cursor_;
  range_end_ = reinterpret_cast<uintptr_t>(fresh) + range.count() - guard;
  return commit_step(bytes);
}

bool MetaArena::commit_step(size_t bytes) {
  const size_t page = os::page_size().count();
  const size_t room = range_end_ - committed_end_;
  const size_t needed = round_up(bytes, page);
  if (needed > room) return false;
  size_t step = kCommitStep.count() < room ? kCommitStep.count() : room;
  if (step < needed) step = needed;
  void* begin = reinterpret_cast<void*>(committed_end_);
  if (!os::commit(begin, Bytes(step))) {
    step = needed;
    if (!os::commit(begin, Bytes(step))) return false;
  }
  committed_end_ += step;
  committed_ += Bytes(step);
  return true;
}

}  // namespace hakmem
