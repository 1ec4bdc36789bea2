#include "front/cache_list.h"

#include <new>

#include "os/process.h"
#include "superslab/meta_arena.h"
#include "front/message.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {
constinit CacheList g_cache_list;
static_assert(sizeof(ThreadCache) <= MetaArena::kCellMax);
}  // namespace

CacheList& cache_list() { return g_cache_list; }

ThreadCache* CacheList::find(OwnerId id) const {
  const uint32_t root = id.count() >> kLeafShift;
  if (root >= kRootEntries) return nullptr;
  const Entry* leaf = root_[root].load(std::memory_order_acquire);
  if (leaf == nullptr) return nullptr;
  return leaf[id.count() % kLeafEntries].load(std::memory_order_acquire);
}

ThreadCache* CacheList::take_over() {
  ThreadCache* cache;
  {
    os::LockGuard guard(lock_);
    settle_orphans();
    cache = parked_first_;
    if (cache == nullptr) return create();
    parked_first_ = cache->parked_next;
    note_unlinked(cache);
    stats_.taken_over.add(1);
  }
  os::LockGuard own(cache->lock());
  cache->set_parked(false);
  return cache;
}

ThreadCache* CacheList::make_unowned() {
  os::LockGuard guard(lock_);
  ThreadCache* cache = create();
  if (cache != nullptr) unowned_.fetch_add(1, std::memory_order_relaxed);
  return cache;
}

void CacheList::park(ThreadCache* cache) {
  cache->set_owner_thread(0);
  cache->parked_since = os::now_coarse();
  {
    os::LockGuard own(cache->lock());
    cache->set_parked(true);
  }
  // Whoever sent before it saw the cache parked left its mail to this.
  ThreadCache::return_strays(cache->drain_inbox(true));
  os::LockGuard guard(lock_);
  link_parked(cache);
  stats_.parked.add(1);
  note_left_mail(*cache);
}

// Under lock_. A sender that saw the cache parked may have told the list before the cache was on it, and
// whoever drained the list since has not met it.
void CacheList::note_left_mail(const ThreadCache& cache) {
  if (!cache.has_mail()) return;
  stats_.atomics.add(1);
  note_mail();
}

void CacheList::link_parked(ThreadCache* cache) {
  cache->parked_next = parked_first_;
  parked_first_ = cache;
  parked_count_.fetch_add(1, std::memory_order_relaxed);
  if (!cache->retired()) unretired_.fetch_add(1, std::memory_order_relaxed);
  stats_.atomics.add(cache->retired() ? 1 : 2);
}

// Under lock_.
void CacheList::note_unlinked(const ThreadCache* cache) {
  parked_count_.fetch_sub(1, std::memory_order_relaxed);
  if (!cache->retired()) unretired_.fetch_sub(1, std::memory_order_relaxed);
  stats_.atomics.add(cache->retired() ? 1 : 2);
}

// Whoever unlinks a parked cache owns it, as a thread that takes it over does.
ThreadCache* CacheList::unlink_unretired(Milliseconds until) {
  os::LockGuard guard(lock_);
  settle_orphans();
  for (ThreadCache** link = &parked_first_; *link != nullptr; link = &(*link)->parked_next) {
    ThreadCache* cache = *link;
    if (cache->retired() || cache->parked_since > until) continue;
    *link = cache->parked_next;
    note_unlinked(cache);
    // The child of a fork in between settles it as an orphan.
    cache->set_owner_thread(os::thread_identity());
    return cache;
  }
  return nullptr;
}

void CacheList::retire_parked(Milliseconds until, uint32_t at_most) {
  while (at_most-- != 0 && unretired_.load(std::memory_order_relaxed) != 0) {
    ThreadCache* cache = unlink_unretired(until);
    if (cache == nullptr) return;
    cache->retire();
    cache->set_owner_thread(0);
    os::LockGuard guard(lock_);
    link_parked(cache);
    note_left_mail(*cache);
  }
}

ThreadCache* CacheList::any_parked() {
  os::LockGuard guard(lock_);
  settle_orphans();
  if (parked_first_ == nullptr) {
    ThreadCache* cache = create();
    if (cache == nullptr) return nullptr;
    cache->set_parked(true);  // nobody else knows it yet
    link_parked(cache);
  }
  return parked_first_;
}

bool CacheList::adopt(ClassIndex size_class, ThreadCache* adopter) {
  if (adoptable(size_class) <= 0) return false;
  os::LockGuard guard(lock_);
  settle_orphans();
  os::LockGuard own(adopter->lock());
  for (ThreadCache* cache = parked_first_; cache != nullptr; cache = cache->parked_next) {
    if (cache->give_for_adoption(size_class, adopter)) return true;
  }
  return false;
}

void CacheList::drain_parked() {
  drain_mail();
  retire_parked(os::now_coarse(), UINT32_MAX);
}

void CacheList::drain_mail() {
  // relaxed: a look first, so that there is no write for nothing.
  if (!mail_waits_.load(std::memory_order_relaxed)) return;
  if (!mail_waits_.exchange(false, std::memory_order_acquire)) return;
  // One chain of what was adopted meanwhile, returned when no lock is held.
  Message* strays = nullptr;
  {
    os::LockGuard guard(lock_);
    stats_.atomics.add(1);
    settle_orphans();
    for (ThreadCache* cache = parked_first_; cache != nullptr; cache = cache->parked_next) {
      Message* more = cache->drain_inbox(false);
      while (more != nullptr) {
        Message* next = more->next;
        more->next = strays;
        strays = more;
        more = next;
      }
      note_left_mail(*cache);  // somebody else had its lock
    }
  }
  ThreadCache::return_strays(strays);
}

// Under lock_. What a vanished owner left must be settled before anybody takes from its slabs.
void CacheList::settle_orphans() {
  if (!orphans_) return;
  orphans_ = false;
  for_each([this](ThreadCache& cache) {
    if (!cache.is_orphan()) return;
    const bool counted = !cache.retired();
    cache.settle_orphan();
    if (counted) unretired_.fetch_sub(1, std::memory_order_relaxed);
  });
}

void CacheList::park_all_but(uintptr_t owner_thread) {
  parked_first_ = nullptr;
  unowned_.store(0, std::memory_order_relaxed);
  parked_count_.store(0, std::memory_order_relaxed);
  unretired_.store(0, std::memory_order_relaxed);
  for (std::atomic<int32_t>& count : adoptable_) count.store(0, std::memory_order_relaxed);
  for_each([&](ThreadCache& cache) {
    if (cache.owner_thread() == owner_thread) return;
    if (cache.owner_thread() != 0) {
      cache.orphan();
      orphans_ = true;
    }
    cache.set_owner_thread(0);
    cache.set_parked(true);
    link_parked(&cache);
  });
  stats_.atomics.add(1);
  note_mail();
}

// Under lock_.
ThreadCache* CacheList::create() {
  if (registry().reservations() == 0) registry().open();
  const uint32_t id = count_.load(std::memory_order_relaxed) + 1;
  if (id > kOwnerMax || id >> kLeafShift >= kRootEntries) return nullptr;
  Entry* leaf = root_[id >> kLeafShift].load(std::memory_order_relaxed);
  if (leaf == nullptr) {
    void* cell = meta_arena().allocate(Bytes(kLeafEntries * sizeof(Entry)));
    if (cell == nullptr) return nullptr;
    leaf = static_cast<Entry*>(cell);
    for (uint32_t i = 0; i < kLeafEntries; ++i) new (&leaf[i]) Entry(nullptr);
    root_[id >> kLeafShift].store(leaf, std::memory_order_release);
  }
  void* cell = meta_arena().allocate(Bytes(sizeof(ThreadCache)));
  if (cell == nullptr) return nullptr;
  ThreadCache* cache = new (cell) ThreadCache(OwnerId(id));
  leaf[id % kLeafEntries].store(cache, std::memory_order_release);
  count_.store(id, std::memory_order_release);
  return cache;
}

}  // namespace hakmem
