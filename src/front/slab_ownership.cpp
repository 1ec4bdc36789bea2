// ThreadCache: blocks come home to their slabs, and slabs come and go.
#include "superslab/misuse.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// How far ahead records are fetched: a flush meets another slab with almost every block.
constexpr ptrdiff_t kPrefetchAhead = 8;

[[noreturn]] void report_wrong_tag(uint32_t tag, const void* block) {
  if (tag == kUnusedTag) report_misuse(Misuse::kReleasedFree, block);
  if (tag_owner(tag) == kInteriorOwner) report_misuse(Misuse::kInteriorFree, block);
  // The slab has another owner although its block was cached here: the block was freed there too.
  report_misuse(Misuse::kDoubleFree, block);
}

}  // namespace

void ThreadCache::put_blocks(void** blocks, uint32_t count) {
  Slab* released = nullptr;
  {
    os::LockGuard guard(lock_);
    put_blocks_locked(blocks, count, &released);
  }
  release_chain(released);
}

// Under lock(). Slabs that are to be released once the lock is free go in front of `released`.
void ThreadCache::put_blocks_locked(void** blocks, uint32_t count, Slab** released) {
  void** const end = blocks + count;
  while (blocks != end) {
    if (!is_block(*blocks)) [[unlikely]] {  // where a stale top left a gap
      ++blocks;
      continue;
    }
    Slab* slab = slab_of_mine(*blocks);
    blocks = put_run(slab, blocks, end);
    if (!after_put(slab)) continue;
    slab->next = *released;
    *released = slab;
  }
}

// Under lock(). The first block lies in this slab; puts it and those right behind it that do so too, and
// returns where that ends.
void** ThreadCache::put_run(Slab* slab, void** blocks, void** end) {
  BlockPutter putter(slab);
  do {
    if (end - blocks > kPrefetchAhead && !putter.covers(blocks[kPrefetchAhead])) {
      const uintptr_t later = reinterpret_cast<uintptr_t>(blocks[kPrefetchAhead]);
      if (registry().primary().holds(later)) __builtin_prefetch(registry().slot_of(later), 1);
    }
    const uint32_t index = putter.index_of(*blocks);
    if (index == kNoBlock || !putter.put(index)) [[unlikely]] {
      putter.settle();  // counts agree with bitmaps for whoever looks at the core
      report_misuse(index == kNoBlock ? Misuse::kInteriorFree : Misuse::kDoubleFree, *blocks);
    }
  } while (++blocks != end && putter.covers(*blocks));
  return blocks;
}

// Under lock(). The block must lie in a slab of this cache.
Slab* ThreadCache::slab_of_mine(const void* block) const {
  const uintptr_t address = reinterpret_cast<uintptr_t>(block);
  const Reservation* home = registry().find(address);
  const uint32_t block_tag = home == nullptr ? kUnusedTag : Registry::tag_acquire(*home, address);
  if ((block_tag ^ tag) >= kClasses) report_wrong_tag(block_tag, block);
  return home->slot_at(home->offset_of(address)).head();
}

// Under lock(), the slab has free blocks more. One wholly free slab of each class stays for the next
// refill; true when this one does not: it is detached, and to be released once the lock is free.
bool ThreadCache::after_put(Slab* slab) {
  if (slab->blocks != 1) {
    if (!slab->listed) list(slab, false);
    if (!slab->all_free()) [[likely]] return false;
    ClassState& state = state_of(slab->class_index());
    if (state.kept == slab) return false;
    // relaxed: under lock().
    const bool parked = parked_.load(std::memory_order_relaxed);
    if (!parked && (state.kept == nullptr || !state.kept->all_free())) {
      state.kept = slab;
      return false;
    }
    unlist(slab);
  }
  detach(slab);
  return true;
}

// Under lock(), on no list. It is to be released once the lock is free.
void ThreadCache::detach(Slab* slab) {
  state_of(slab->class_index()).slabs_in_row = 0;
  pool().detach(slab);
  stats_.slabs_released.add(1);
}

void ThreadCache::list(Slab* slab, bool in_front) {
  SlabList& slabs = state_of(slab->class_index()).slabs;
  in_front ? slabs.push_front(slab) : slabs.push_back(slab);
  if (parked_.load(std::memory_order_relaxed)) note_adoptable(slab->class_index(), 1);
}

void ThreadCache::unlist(Slab* slab) {
  state_of(slab->class_index()).slabs.remove(slab);
  if (parked_.load(std::memory_order_relaxed)) note_adoptable(slab->class_index(), -1);
}

void ThreadCache::release_chain(Slab* chain) {
  while (chain != nullptr) {
    Slab* next = chain->next;
    pool().release(chain);
    chain = next;
  }
}

void ThreadCache::release_kept_slabs(KeptSlabs which) {
  Slab* released = nullptr;
  {
    os::LockGuard guard(lock_);
    for (ClassState& state : classes_) {
      if (which == KeptSlabs::kIdle) {
        const bool busy = state.refilled;
        state.refilled = false;
        if (busy) continue;
      }
      Slab* slab = state.kept;
      if (slab == nullptr || !slab->all_free()) continue;
      state.kept = nullptr;
      unlist(slab);
      detach(slab);
      slab->next = released;
      released = slab;
    }
  }
  release_chain(released);
}

// False when the block's slab belongs to another cache by now.
bool ThreadCache::return_block(void* block) {
  Slab* released = nullptr;
  {
    os::LockGuard guard(lock_);
    const uint32_t block_tag = registry().tag_of_acquire(reinterpret_cast<uintptr_t>(block));
    if (tag_owner(block_tag) != id_) return false;
    put_blocks_locked(&block, 1, &released);
  }
  release_chain(released);
  return true;
}

void ThreadCache::return_home(void* block) {
  // A turn fails only when the slab was adopted in between, and each adoption needs a refill.
  for (;;) {
    const uint32_t block_tag = registry().tag_of(reinterpret_cast<uintptr_t>(block));
    ThreadCache* home = cache_list().find(tag_owner(block_tag));
    if (home == nullptr) report_wrong_tag(block_tag, block);
    if (home->return_block(block)) return;
  }
}

// Both locks are held from the first tag to the listing: in between, a late free could fill the slab
// and release it under the adopter's name.
bool ThreadCache::give_for_adoption(ClassIndex c, ThreadCache* adopter) {
  if (!lock_.try_lock()) return false;
  ClassState& state = state_of(c);
  Slab* slab = state.slabs.first();
  if (slab != nullptr) {
    unlist(slab);
    if (state.kept == slab) state.kept = nullptr;
    state.slabs_in_row = 0;
    pool().adopt(slab, adopter->id());
    adopter->list(slab, true);
  }
  lock_.unlock();
  return slab != nullptr;
}

void ThreadCache::note_adoptable(ClassIndex c, int32_t slabs) {
  cache_list().note_adoptable(c, slabs);
  stats_.parked_atomics.add(1);
}

void ThreadCache::set_parked(bool parked) {
  parked_.store(parked, std::memory_order_seq_cst);
  stats_.parked_atomics.add(1);
  for (uint32_t i = 0; i < kClasses; ++i) {
    const int32_t listed = static_cast<int32_t>(classes_[i].slabs.count());
    if (listed != 0) note_adoptable(ClassIndex(i), parked ? listed : -listed);
  }
}

}  // namespace hakmem
