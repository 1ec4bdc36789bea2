#include "large/guarded.h"

#include <string.h>

#include <atomic>

#include "base/bits.h"
#include "os/pages.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/unwind.h"
#include "config/geometry.h"

namespace hakmem {

namespace {

constinit GuardedBlocks g_guarded_blocks;

// What the block leaves of its page, to see at its free that nobody wrote there.
constexpr unsigned char kUntouched = 0xa7;

// Of four blocks three end at a guard: programs run over ends more often than beginnings.
bool lies_at_end() { return os::random_bits() % 4 != 0; }

// What walks found out, for one walk at a time. A stack that is asked for meanwhile stays unknown.
constinit os::KnownFrames g_known{};
// sync: frames. Who set it walks.
constinit std::atomic<bool> g_walking{false};

// No lock: a child of fork may find another thread anywhere in here.
uint32_t note_frames(uintptr_t* frames, size_t frames_max) {
  if (os::is_sandboxed() || g_walking.exchange(true, std::memory_order_acquire)) return 0;
  const size_t count = os::walk_stack(&g_known, frames, frames_max);
  g_walking.store(false, std::memory_order_release);
  return static_cast<uint32_t>(count);
}

const void* pointer(uintptr_t address) { return reinterpret_cast<const void*>(address); }

}  // namespace

GuardedBlocks& guarded_blocks() { return g_guarded_blocks; }

void GuardedBlocks::open(uint64_t rate) {
  if (rate == 0) return;
  page_ = os::page_size().count();
  const size_t size = (2 * size_t{kSlots} + 1) * page_;
  void* range = os::reserve(Bytes(size), Bytes(page_));
  void* slots = os::map(Bytes(round_up(kSlots * sizeof(Slot), page_)), Bytes(page_));
  if (range == nullptr || slots == nullptr || !os::watch_faults(look)) return;
  slots_ = static_cast<Slot*>(slots);
  base_ = reinterpret_cast<uintptr_t>(range);
  for (uint32_t i = 0; i < kSlots; ++i) free_[i] = static_cast<uint8_t>(i);
  free_count_ = kSlots;
  rate_ = rate;
  left_.store(static_cast<int64_t>(rate), std::memory_order_relaxed);
  size_ = size;
}

bool GuardedBlocks::draw() {
  if (left_.fetch_sub(1, std::memory_order_relaxed) != 1) return false;
  // 1 .. 2 * rate - 1, so that no rhythm of the program's hides a call from it.
  const uint64_t next = rate_ == 1 ? 1 : 1 + os::random_bits() % (2 * rate_ - 1);
  left_.store(static_cast<int64_t>(next), std::memory_order_relaxed);
  return true;
}

void* GuardedBlocks::allocate(size_t size, size_t alignment) {
  if (alignment < kMinAlignment) alignment = kMinAlignment;
  if (size == 0) size = 1;
  if (size > page_ || alignment > page_) return nullptr;
  uint32_t index;
  {
    os::LockGuard guard(lock_);
    if (free_count_ <= kQuarantine) return nullptr;
    index = free_[first_free_];
    first_free_ = (first_free_ + 1) % kSlots;
    --free_count_;
  }
  const uintptr_t page = page_of(index);
  if (!os::commit(reinterpret_cast<void*>(page), Bytes(page_))) {
    give_back(index);
    return nullptr;
  }
  const uintptr_t block = lies_at_end() ? round_down(page + page_ - size, alignment) : page;
  memset(reinterpret_cast<void*>(page), kUntouched, block - page);
  memset(reinterpret_cast<void*>(block + size), kUntouched, page + page_ - block - size);
  Slot& slot = slots_[index];
  slot.block = block;
  slot.size = size;
  slot.freed.count = 0;
  slot.allocated.count = note_frames(slot.allocated.frames, kFramesMax);
  os::LockGuard guard(lock_);
  slot.state = State::kLive;
  stats_.allocated.add(1);
  return reinterpret_cast<void*>(block);
}

void GuardedBlocks::begin_in_child() { g_walking.store(false, std::memory_order_relaxed); }

void GuardedBlocks::give_back(uint32_t index) {
  os::LockGuard guard(lock_);
  free_[(first_free_ + free_count_) % kSlots] = static_cast<uint8_t>(index);
  ++free_count_;
}

// The slot whose page the block lies on, or on whose guard.
GuardedBlocks::Slot& GuardedBlocks::require_live(const void* block) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const size_t page = (address - base_) / page_;
  const uint32_t index = static_cast<uint32_t>(page < 2 ? 0 : (page - 1) / 2);
  Slot& slot = slots_[index];
  if (slot.state == State::kLive && slot.block == address) return slot;
  const bool twice = slot.state == State::kFreed && slot.block == address;
  const Misuse kind = twice ? Misuse::kDoubleFree : Misuse::kInteriorFree;
  report(kind, slot, address, "free", Trace{});
}

size_t GuardedBlocks::size_of(const void* block) { return require_live(block).size; }

void GuardedBlocks::require_intact(uint32_t index) const {
  const Slot& slot = slots_[index];
  const uintptr_t page = page_of(index);
  const auto touched = [](uintptr_t at) { return *reinterpret_cast<const unsigned char*>(at) != kUntouched; };
  for (uintptr_t at = slot.block + slot.size; at < page + page_; ++at) {
    if (touched(at)) report(Misuse::kOverflow, slot, at, "found at free: write", Trace{});
  }
  for (uintptr_t at = slot.block; at-- > page;) {
    if (touched(at)) report(Misuse::kUnderflow, slot, at, "found at free: write", Trace{});
  }
}

void GuardedBlocks::release(void* block) {
  uint32_t index;
  {
    os::LockGuard guard(lock_);
    Slot& slot = require_live(block);
    slot.state = State::kFreed;
    stats_.freed.add(1);
    index = static_cast<uint32_t>(&slot - slots_);
  }
  require_intact(index);
  Slot& slot = slots_[index];
  slot.freed.count = note_frames(slot.freed.frames, kFramesMax);
  // Refused: the page stays as it is, and the slot is not used again.
  if (os::withdraw(reinterpret_cast<void*>(page_of(index)), Bytes(page_))) give_back(index);
}

void GuardedBlocks::report(Misuse kind, const Slot& slot, uintptr_t address, const char* action,
                           Trace here) const {
  LineWriter detail;
  detail.append(action);
  if (address < slot.block) {
    detail.append(" ").append_decimal(slot.block - address).append(" bytes before");
  } else {
    detail.append(" at byte ").append_decimal(address - slot.block).append(" of");
  }
  detail.append(" a guarded block of ").append_decimal(slot.size).append(" bytes at ");
  detail.append_hex(slot.block);
  const Trace before[] = {{"freed by:", "freed", slot.freed.frames, slot.freed.count},
                          {"allocated by:", "allocated", slot.allocated.frames, slot.allocated.count}};
  const bool was_freed = slot.freed.count != 0;
  report_misuse(kind, pointer(address), detail.view(), here,
                was_freed ? Traces{before, 2} : Traces{before + 1, 1});
}

void GuardedBlocks::look(const os::Fault& fault) { g_guarded_blocks.explain(fault); }

// In a signal handler. Returns when it is not ours to explain.
void GuardedBlocks::explain(const os::Fault& fault) const {
  const size_t offset = fault.address - base_;
  if (offset >= size_) return;
  const size_t page = offset / page_;
  const bool on_guard = page % 2 == 0;
  // A guard lies behind one slot and before the next: what is nearer was meant.
  const bool of_next = on_guard && (page == 0 || (offset % page_ >= page_ / 2 && page / 2 < kSlots));
  const size_t index = on_guard && !of_next ? page / 2 - 1 : page / 2;
  const Slot& slot = slots_[index];
  if (slot.state == State::kNever) return;
  Misuse kind = Misuse::kUseAfterFree;
  if (slot.state != State::kFreed) kind = of_next ? Misuse::kUnderflow : Misuse::kOverflow;
  constexpr uint32_t kFaultFramesMax = 32;
  uintptr_t frames[kFaultFramesMax];
  const size_t count = os::backtrace_of(fault, frames, kFaultFramesMax);
  const char* const action = fault.access == os::Fault::Access::kWrite  ? "write"
                             : fault.access == os::Fault::Access::kRead ? "read"
                                                                        : "access";
  report(kind, slot, fault.address, action, Trace{nullptr, nullptr, frames, count});
}

}  // namespace hakmem
