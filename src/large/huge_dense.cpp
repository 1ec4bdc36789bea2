// large: huge pages for huge blocks (0023).
#include "base/bits.h"
#include "os/huge_pages.h"
#include "os/pages.h"
#include "os/residency.h"
#include "os/sandbox.h"
#include "config/config.h"
#include "superslab/huge_page.h"
#include "pool/memory_limit.h"
#include "pool/shared_pool.h"
#include "large/huge.h"
#include "large/huge_mapping.h"

namespace hakmem {

namespace {

// Of the pages that are looked at may be missing; a block is not always quite full.
constexpr uint32_t kSparseShare = 16;

// Else nobody looks at anything. Where the system gives huge pages to everything there is nothing to see.
bool learns() {
  return !kHardened && config().thp == AutoSwitch::kAuto && superslabs_fit_huge_pages() &&
         !os::has_huge_pages_everywhere();
}

// For pages of which so much is not counted yet.
bool may_ask(Bytes more) {
  return !os::has_entered_sandbox() && memory_limit().spare(pool().used()) >= more + kSuperSlabBytes;
}

bool is_in_slots(const void* block) { return HugeTable::is_in_slots(reinterpret_cast<uintptr_t>(block)); }

// A cut through a huge page would keep the memory of both its parts.
void split_at_ends(uintptr_t address, size_t size) {
  const uintptr_t end = address + size;
  const uintptr_t first = round_up(address, kSuperSlabBytes.count());
  const uintptr_t last = round_down(end, kSuperSlabBytes.count());
  if (first != address) {
    os::split_huge_page(reinterpret_cast<void*>(address), Bytes((first < end ? first : end) - address));
  }
  if (last != end && last >= first) os::split_huge_page(reinterpret_cast<void*>(last), Bytes(end - last));
}

enum class Looks : uint8_t { kUnknown, kSparse, kDense };

// The block may be unmapped meanwhile.
Looks look_at(const void* block, Bytes size) {
  if (os::is_sandboxed()) return Looks::kUnknown;
  const os::Residency found = os::sample_residency(block, size);
  if (found.looked == 0) return Looks::kUnknown;
  return found.looked - found.present <= found.looked / kSparseShare ? Looks::kDense : Looks::kSparse;
}

}  // namespace

// The system's setting is read once, and not under lock_.
void HugeBlocks::prepare_to_learn() { (void)learns(); }

// Under lock_. Of a block that has just been mapped, and whose pages are all to come.
bool HugeBlocks::wants_huge_pages(const void* block, Bytes size, Contents contents) {
  if (kHardened || size < kSuperSlabBytes || is_in_slots(block)) return false;
  bool wants = config().thp == AutoSwitch::kOn && may_ask(Bytes(0));
  // Tables of zeroes are what programs touch little of.
  if (learns() && contents == Contents::kAny) {
    wants = may_ask(Bytes(0)) && density_.expects_unwatched(size);
    if (!wants) density_.watch(reinterpret_cast<uintptr_t>(block));
  }
  if (wants) note_asked(block, size);
  return wants;
}

// Under lock_.
void HugeBlocks::note_asked(const void* block, Bytes fresh) {
  counters_.dense.add(1);
  density_.spend(reinterpret_cast<uintptr_t>(block), fresh);
  has_asked_.store(true, std::memory_order_relaxed);
}

// Before `size` bytes in their places become `grown`, of which so much may be new to huge pages: one advice for all of it, or
// the system could not move it as one.
bool HugeBlocks::advise_growth(void* block, Bytes size, Bytes grown, Bytes fresh) {
  bool asks;
  {
    os::LockGuard guard(lock_);
    asks = fresh != Bytes(0) && may_ask(grown - size) && density_.expects(grown, fresh);
    if (asks) has_asked_.store(true, std::memory_order_relaxed);
  }
  if (has_asked()) os::advise_huge_pages(block, size, asks);
  return asks;
}

// nullptr when refused, then nothing changed. Not under lock_. `fresh`: 0 when huge pages are out of the question.
HugeBlocks::Resized HugeBlocks::resize_mapping(void* block, Bytes size, Bytes next, Bytes fresh) {
  const bool is_step = next < size + kSuperSlabBytes;
  const bool asked = !is_step && learns() && advise_growth(block, size, next, fresh);
  if (next < size && has_asked()) split_at_ends(reinterpret_cast<uintptr_t>(block) + next.count(), (size - next).count());
  void* moved = huge_mapping::resize(block, size, next);
  if (moved == nullptr && is_step && learns() && has_asked()) {
    // Its parts may have had different advice.
    os::advise_huge_pages(block, size, false);
    moved = huge_mapping::resize(block, size, next);
  }
  return {moved, asked};
}

// Under lock_. `fresh` of its bytes are to come in small pages.
void HugeBlocks::watch_grown(const void* block, Bytes size, Bytes fresh) {
  if (learns() && 4 * fresh.count() >= size.count()) density_.watch(reinterpret_cast<uintptr_t>(block));
}

// A program is done with the block, or fills it and will have it larger: 0, or that size. What was it like? True when it
// was looked at, and dense.
bool HugeBlocks::learn_from(const void* block, Bytes next_size) {
  if (!learns()) return false;
  Bytes size;
  {
    os::LockGuard guard(lock_);
    if (!density_.watches(reinterpret_cast<uintptr_t>(block))) return false;
    const HugeTable::Entry* entry = find(block);
    if (entry == nullptr) return false;
    size = Bytes(entry->size);
  }
  if (next_size != Bytes(0) && next_size < size + kSuperSlabBytes) return false;
  const Looks looks = look_at(block, size);
  if (looks == Looks::kUnknown) return false;
  os::LockGuard guard(lock_);
  density_.note(size, looks == Looks::kDense);
  return looks == Looks::kDense;
}

// Another block is wanted: what fills its blocks one after the other has filled the last one. If not, it may still.
void HugeBlocks::learn_from_last() {
  if (!learns()) return;
  const void* block;
  Bytes size;
  {
    os::LockGuard guard(lock_);
    block = reinterpret_cast<const void*>(density_.take_last());
    const HugeTable::Entry* entry = block == nullptr ? nullptr : find(block);
    if (entry == nullptr) return;
    size = Bytes(entry->size);
  }
  if (look_at(block, size) != Looks::kDense) return;
  os::LockGuard guard(lock_);
  // Nobody freed it meanwhile.
  if (density_.forget(reinterpret_cast<uintptr_t>(block))) density_.note(size, true);
}

// Else no huge block has a huge page of our asking, or advice about one is out of the question.
bool HugeBlocks::has_asked() const {
  return has_asked_.load(std::memory_order_relaxed) && !os::has_entered_sandbox();
}

void HugeBlocks::unmap_mapping(uintptr_t address, size_t size) {
  if (has_asked()) split_at_ends(address, size);
  huge_mapping::unmap(reinterpret_cast<void*>(address), Bytes(size));
}

}  // namespace hakmem
