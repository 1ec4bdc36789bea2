// unit/front/cache_access.h: ThreadCache from the inside.
//
// Ticks follow the clock, so a test calls them itself, at times it makes up. Explicit
// instantiation may name private members; that is how a test gets at them without a friend in
// src/.
#pragma once

#include <semaphore>
#include <thread>
#include <vector>

#include "os/process.h"
#include "superslab/meta_arena.h"
#include "front/budget.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"

#include "unit/support.h"

namespace hakmem::test {
namespace {

template <class Name, auto kMember>
struct Expose {
  friend constexpr auto member_of(Name) { return kMember; }
};
struct TickName {
  friend constexpr auto member_of(TickName);
};
struct ClassesName {
  friend constexpr auto member_of(ClassesName);
};
struct InboxName {
  friend constexpr auto member_of(InboxName);
};
struct PatienceName {
  friend constexpr auto member_of(PatienceName);
};
struct ShortPlacesName {
  friend constexpr auto member_of(ShortPlacesName);
};
struct DensityName {
  friend constexpr auto member_of(DensityName);
};
struct LastTickName {
  friend constexpr auto member_of(LastTickName);
};
template struct Expose<ShortPlacesName, &ThreadCache::short_places_>;
template struct Expose<LastTickName, &ThreadCache::last_tick_>;
template struct Expose<PatienceName, &ThreadCache::slow_paths_left_>;
template struct Expose<DensityName, &ThreadCache::density_of>;
template struct Expose<TickName, &ThreadCache::tick>;
template struct Expose<ClassesName, &ThreadCache::classes_>;
template struct Expose<InboxName, &ThreadCache::inbox_>;

}  // namespace

inline void tick(ThreadCache& cache) {
  static uint64_t now_ms = 1'000'000'000;
  (cache.*member_of(TickName()))(Milliseconds(now_ms += 50));
}

// The cache ticks at the slow path after the next `slow_paths`, or where it meets a fence.
inline void tick_after(ThreadCache& cache, uint32_t slow_paths) {
  cache.*member_of(PatienceName()) = slow_paths;
  cache.*member_of(LastTickName()) = Milliseconds(0);
}
// The cache thinks that it has just ticked.
inline void keep_quiet(ThreadCache& cache) {
  cache.*member_of(PatienceName()) = UINT32_MAX;
  cache.*member_of(LastTickName()) = os::now_coarse();
}

inline auto& class_state(ThreadCache& cache, ClassIndex c) {
  return (cache.*member_of(ClassesName()))[c.count()];
}
inline void** short_place_of(ThreadCache& cache, ClassIndex c) {
  return cache.*member_of(ShortPlacesName()) + stack_layout(c).short_place;
}
inline uint32_t capacity_of(ThreadCache& cache, ClassIndex c) {
  return class_state(cache, c).capacity;
}
inline Inbox& inbox_of(ThreadCache& cache) { return cache.*member_of(InboxName()); }

// What it would say of a slab that it asks the pool for.
inline SharedPool::Density density_of(ThreadCache& cache, ClassIndex c) {
  return (cache.*member_of(DensityName()))(c);
}

inline uint32_t depth_of(ThreadCache& cache, ClassIndex c) {
  void** bottom = class_state(cache, c).bottom;
  return bottom == nullptr ? 0 : static_cast<uint32_t>(cache.tops[c.count()] - bottom - 1);
}

// What heap does for a thread with this cache.
inline void* get(ThreadCache& cache, ClassIndex c) {
  if (void* block = cache.pop(c); block != nullptr) return block;
  keep_quiet(cache);
  bool zero = false;
  return cache.allocate(c, &zero);
}
inline void put(ThreadCache& cache, void* block) {
  keep_quiet(cache);
  const uint32_t tag = registry().tag_of(address_of(block));
  const uint32_t c = tag ^ cache.tag;
  if (c >= kClasses) return cache.deallocate_remote(tag, block);
  if (!cache.push(ClassIndex(c), block)) cache.deallocate(ClassIndex(c), block);
}

inline std::vector<void*> get_many(ThreadCache& cache, ClassIndex c, uint32_t count) {
  std::vector<void*> blocks;
  for (uint32_t i = 0; i < count; ++i) blocks.push_back(get(cache, c));
  return blocks;
}
inline void put_all(ThreadCache& cache, std::vector<void*>& blocks) {
  for (void* block : blocks) put(cache, block);
  blocks.clear();
}

// A live cache for the length of a test, as a thread would have it.
class Owned {
 public:
  Owned() {
    if (registry().reservations() == 0) registry().open();
    cache_ = cache_list().take_over();
    cache_->set_owner_thread(kThread);
    keep_quiet(*cache_);
  }
  ~Owned() { leave(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  ThreadCache& operator*() { return *cache_; }
  ThreadCache* operator->() { return cache_; }

  // The thread exited a while ago.
  ThreadCache* leave() {
    if (cache_ != nullptr) cache_->retire();
    return exit();
  }
  // The thread exits.
  ThreadCache* exit() {
    ThreadCache* cache = cache_;
    cache_ = nullptr;
    if (cache == nullptr) return nullptr;
    cache->leave();
    cache_list().park(cache);
    return cache;
  }
  // The thread vanishes in the child of a fork, which all others survive.
  ThreadCache* vanish() {
    ThreadCache* cache = cache_;
    cache_ = nullptr;
    cache->set_owner_thread(kThread + 1);
    cache_list().park_all_but(kThread);
    return cache;
  }

 private:
  static constexpr uintptr_t kThread = 4711;

  ThreadCache* cache_;
};

// Another thread holds the lock for as long as this lives: a try fails, and ranks stay in order.
class HeldElsewhere {
 public:
  explicit HeldElsewhere(os::Lock& lock)
      : holder_([this, &lock] {
          lock.lock();
          taken_.release();
          done_.acquire();
          lock.unlock();
        }) {
    taken_.acquire();
  }
  ~HeldElsewhere() {
    done_.release();
    holder_.join();
  }
  HeldElsewhere(const HeldElsewhere&) = delete;
  HeldElsewhere& operator=(const HeldElsewhere&) = delete;

 private:
  std::binary_semaphore taken_{0};
  std::binary_semaphore done_{0};
  std::thread holder_;
};

}  // namespace hakmem::test
