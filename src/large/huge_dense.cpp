// large: huge pages for huge blocks (0023).
#include "base/bits.h"
#include "os/huge_pages.h"
#include "os/pages.h"
#include "os/process.h"
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

// Of a block may be added, so that it ends with a huge page.
constexpr uint32_t kTailShare = 4;

// Else nobody looks at anything. Where the system gives huge pages to everything there is nothing to see.
bool learns() {
  return !kHardened && config().thp == AutoSwitch::kAuto && superslabs_fit_huge_pages() &&
         !os::has_huge_pages_everywhere();
}

// For pages of which so much is not counted yet.
bool may_ask(Bytes more) {
  return !os::has_entered_sandbox() && memory_limit().spare(pool().used()) >= more + kSuperSlabBytes;
}

bool is_dense(const os::PageSample& pages) {
  return pages.looked != 0 && pages.looked - pages.found <= pages.looked / kSparseShare;
}

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

// What the program asked for, at least: the rest may be there for the sake of the last huge page.
Bytes without_tail(Bytes size) {
  const Bytes most(round_up(size.count() / (kTailShare + 1), os::page_size().count()));
  return size - (most < kSuperSlabBytes ? most : kSuperSlabBytes);
}

}  // namespace

// The block may be unmapped meanwhile.
HugeBlocks::Looks HugeBlocks::look_at(const void* block, Bytes size) {
  if (os::is_sandboxed()) return Looks::kUnknown;
  const os::PageSample pages = os::sample_residency(block, size);
  if (pages.looked == 0) return Looks::kUnknown;
  return is_dense(pages) ? Looks::kDense : Looks::kSparse;
}

// The same of one with huge pages, which are all there whatever was written. Zeroes may have been written, too.
HugeBlocks::Looks HugeBlocks::look_into(const void* block, Bytes size) {
  if (os::is_sandboxed()) return Looks::kUnknown;
  const os::PageSample pages = os::sample_residency(block, size);
  // Not worth reading from a disk.
  if (pages.looked == 0 || pages.swapped != 0) return Looks::kUnknown;
  if (!is_dense(pages)) return Looks::kSparse;
  return is_dense(os::sample_contents(block, size)) ? Looks::kDense : Looks::kUnknown;
}

// The system's setting is read once, and not under lock_.
void HugeBlocks::prepare_to_learn() { (void)learns(); }

// As far as a mapping goes whose last huge page is not to be half another's, or small pages: where that is not much more.
Bytes HugeBlocks::in_whole_huge_pages(uintptr_t address, Bytes size) {
  const Bytes whole(round_up(address + size.count(), kSuperSlabBytes.count()) - address);
  return kTailShare * (whole - size).count() <= size.count() ? whole : size;
}

// Of a block that is about to be mapped, and whose pages are all to come.
bool HugeBlocks::wants_huge_pages(Bytes size, Contents contents) {
  if (kHardened || size < kSuperSlabBytes || !may_ask(in_whole_huge_pages(0, size))) return false;
  if (config().thp == AutoSwitch::kOn) return true;
  // Tables of zeroes are what programs touch little of.
  if (!learns() || contents == Contents::kZero) return false;
  learn_from_live(size);
  os::LockGuard guard(lock_);
  return density_.expects_fresh(size, Bytes(table_.asked()), Bytes(table_.full()));
}

// Under lock_. `full`: of a block that left the table in order to grow.
bool HugeBlocks::expects_dense(Bytes size, Bytes full) const {
  return density_.expects(size, Bytes(table_.asked()), Bytes(table_.full()) + full);
}

// Under lock_. Others may have been faster with what is spoken for.
bool HugeBlocks::still_wants(Bytes size) const { return config().thp == AutoSwitch::kOn || expects_dense(size); }

// Under lock_.
void HugeBlocks::note_asked(HugeTable::Entry& entry) {
  counters_.dense.add(1);
  table_.set_asked(entry, true);
  has_asked_.store(true, std::memory_order_relaxed);
}

// Before `size` bytes in their places, which no block has now, become `grown`: one advice for all of it, or the system could
// not move it as one.
bool HugeBlocks::advise_growth(void* block, Bytes size, Bytes grown, Growth growth, Bytes full) {
  bool asks = false;
  if (growth == Growth::kFull && may_ask(in_whole_huge_pages(reinterpret_cast<uintptr_t>(block), grown) - size)) {
    learn_from_live(grown);
    os::LockGuard guard(lock_);
    asks = expects_dense(grown, full);
    if (asks) has_asked_.store(true, std::memory_order_relaxed);
  }
  if (has_asked()) os::advise_huge_pages(block, size, asks);
  return asks;
}

// A step that succeeds is `asked` when advice stays as it was. nullptr when refused, then nothing changed but advice. Not
// under lock_.
HugeBlocks::Resized HugeBlocks::resize_mapping(void* block, Bytes size, Bytes next, Growth growth, Bytes full) {
  const bool is_step = growth == Growth::kStep;
  const bool asked = !is_step && learns() && advise_growth(block, size, next, growth, full);
  const Bytes whole = asked ? in_whole_huge_pages(reinterpret_cast<uintptr_t>(block), next) : next;
  if (whole != next) {
    if (void* moved = huge_mapping::resize(block, size, whole)) return {moved, whole, true};
  }
  if (next < size && has_asked()) split_at_ends(reinterpret_cast<uintptr_t>(block) + next.count(), (size - next).count());
  void* moved = huge_mapping::resize(block, size, next);
  if (moved == nullptr && is_step && learns() && has_asked()) {
    // Its parts may have had different advice.
    os::advise_huge_pages(block, size, false);
    return {huge_mapping::resize(block, size, next), next, false};
  }
  return {moved, next, asked || is_step};
}

// Under lock_. `fresh` of its bytes are to come in small pages.
void HugeBlocks::watch_grown(const void* block, Bytes size, Bytes fresh) {
  if (!learns() || size < kSuperSlabBytes || HugeTable::is_in_slots(reinterpret_cast<uintptr_t>(block))) return;
  if (4 * fresh.count() >= size.count()) density_.watch(reinterpret_cast<uintptr_t>(block));
}

// A program is done with the block, or fills it and will have it larger: 0, or that size. What was it like?
HugeBlocks::Looks HugeBlocks::learn_from(const void* block, Bytes next_size) {
  if (!learns()) return Looks::kUnknown;
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  Bytes size;
  bool is_asked;
  const bool grows = next_size != Bytes(0);
  {
    os::LockGuard guard(lock_);
    const HugeTable::Entry* entry = find(block);
    if (entry == nullptr) return Looks::kUnknown;
    size = Bytes(entry->size);
    is_asked = entry->is_asked;
    if (!density_.watches(address) && !(is_asked && grows)) return Looks::kUnknown;
  }
  if (grows && next_size < size + kSuperSlabBytes) return Looks::kUnknown;
  Looks looks = Looks::kUnknown;
  if (!is_asked) {
    looks = look_at(block, size);
  } else {
    looks = grows ? look_at(block, without_tail(size)) : look_into(block, without_tail(size));
  }
  os::LockGuard guard(lock_);
  if (looks == Looks::kUnknown) {
    if (is_asked && !grows) density_.doubt();
  } else if (is_asked && grows && looks == Looks::kDense) {
    density_.note_whole(size);
  } else {
    density_.note(size, looks == Looks::kDense);
  }
  return looks;
}

// Another block is wanted, and too little is known: what fills its blocks one after the other may have filled some. If not,
// it still may.
void HugeBlocks::learn_from_live(Bytes wanted) {
  const void* block;
  Bytes size;
  bool is_asked;
  {
    os::LockGuard guard(lock_);
    if (expects_dense(wanted)) return;
    block = reinterpret_cast<const void*>(density_.next_watched());
    const HugeTable::Entry* entry = block == nullptr ? nullptr : find(block);
    if (entry == nullptr) return;
    size = Bytes(entry->size);
    is_asked = entry->is_asked;
  }
  if ((is_asked ? look_into(block, without_tail(size)) : look_at(block, size)) != Looks::kDense) return;
  os::LockGuard guard(lock_);
  HugeTable::Entry* entry = find(block);
  // Freed, or grown.
  if (entry == nullptr || Bytes(entry->size) != size || entry->is_asked != is_asked) return;
  if (!density_.forget(entry->address)) return;
  density_.note(size, true);
  if (is_asked) table_.set_full(*entry);
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
