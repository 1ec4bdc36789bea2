// front/cache_list.h: all caches, by id, and those whose thread has left.
//
// Responsibility  Find the cache a tag names; hand parked caches to new threads and their slabs to
//                 live caches.
// Contract        A cache keeps its id for ever. A parked cache belongs to the list; take_over() gives
//                 it to one thread, with its kept slabs if it was not retired. adoptable() counts the listed slabs of parked caches. Lock rank
//                 kList; a parked cache's lock is only tried while it is held (fork and the settling of orphans excepted).
// Observable      count(), parked(), adoptable(), stats().
// Composable      ThreadCache, meta_arena. Used by ThreadCache (adopt), heap (lifecycle), observe.
#pragma once

#include <atomic>

#include "base/counter.h"
#include "base/units.h"
#include "os/lock.h"
#include "config/size_class.h"

namespace hakmem {

class ThreadCache;

struct CacheListStats {
  // Under the list's lock.
  Counter taken_over;
  Counter parked;   // by threads that left
  Counter atomics;  // locked instructions on what the list tells those who do not hold its lock
};

class CacheList {
 public:
  constexpr CacheList() = default;

  // nullptr for an id nobody has.
  ThreadCache* find(OwnerId id) const;

  // A parked cache, else a new one; nullptr when the system refuses.
  ThreadCache* take_over();

  // A cache that no thread will own and nobody adopts from; nullptr when the system refuses.
  ThreadCache* make_unowned();

  // The cache has left or is retired, and its thread forgets it.
  void park(ThreadCache* cache);

  // For a thread without a cache: one that stays parked, locked by the caller's later calls.
  ThreadCache* any_parked();

  // Moves a partly free slab of some parked cache to the adopter's list; false when there is none.
  bool adopt(ClassIndex size_class, ThreadCache* adopter);

  // Parked caches have what they were left with for the next thread; those parked up to then, and
  // `at_most` of them, give it up.
  void retire_parked(Milliseconds until, uint32_t at_most);

  // All that parked caches can give goes home: their mail, where note_mail() says that there may be
  // some, and their stacks.
  void drain_parked();
  // Only the mail.
  void drain_mail();
  void note_mail() { mail_waits_.exchange(true, std::memory_order_release); }

  // relaxed: a hint that saves the search.
  void note_adoptable(ClassIndex size_class, int32_t slabs) {
    adoptable_[size_class.count()].fetch_add(slabs, std::memory_order_relaxed);
  }
  int32_t adoptable(ClassIndex size_class) const {
    return adoptable_[size_class.count()].load(std::memory_order_relaxed);
  }

  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  uint32_t parked() const { return parked_count_.load(std::memory_order_relaxed); }
  // Of threads that run.
  uint32_t live() const {
    return count() - parked() - unowned_.load(std::memory_order_relaxed);
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (uint32_t id = 1; id <= count(); ++id) {
      if (ThreadCache* cache = find(OwnerId(id)); cache != nullptr) visit(*cache);
    }
  }

  const CacheListStats& stats() const { return stats_; }
  os::Lock& lock() { return lock_; }
  // In the child of fork: every cache but this thread's has lost its thread.
  void park_all_but(uintptr_t owner_thread);

 private:
  // Ids 1 .. 16 million in leaves of 4 096 pointers.
  static constexpr uint32_t kLeafShift = 12;
  static constexpr uint32_t kLeafEntries = 1u << kLeafShift;
  static constexpr uint32_t kRootEntries = 4096;
  using Entry = std::atomic<ThreadCache*>;

  ThreadCache* create();
  void link_parked(ThreadCache* cache);
  void note_unlinked(const ThreadCache* cache);
  void note_left_mail(const ThreadCache& cache);
  ThreadCache* unlink_unretired(Milliseconds until);
  void settle_orphans();

  os::Lock lock_{os::LockRank::kList};
  // sync: cache table. An entry is published with release before its id appears in any tag.
  std::atomic<Entry*> root_[kRootEntries] = {};
  std::atomic<uint32_t> count_{0};
  std::atomic<uint32_t> parked_count_{0};
  std::atomic<uint32_t> unowned_{0};
  ThreadCache* parked_first_ = nullptr;
  // Parked ones that are not retired. Changed under lock_; relaxed, a hint for those who do not hold it.
  std::atomic<uint32_t> unretired_{0};
  CacheListStats stats_;
  bool orphans_ = false;  // in the child of fork, until somebody needs a parked cache
  // sync: mail hint. As the deferred frees': only read-modify-writes change it, so who drains behind a sender's has
  // acquired what that put into an inbox, and a sender's behind a drain's leaves true.
  std::atomic<bool> mail_waits_{false};
  std::atomic<int32_t> adoptable_[kClasses] = {};
};

CacheList& cache_list();

}  // namespace hakmem
