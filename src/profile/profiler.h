// profile/profiler.h: which call sites hold the heap, by samples.
//
// Responsibility  Start and stop; gate the caches of profiled threads; note sampled blocks and their end.
// Contract        Off, it costs no instruction in malloc and free. On, each thread's cache is gated from its
//                 next tick on. Sampled small blocks come from a cache that no thread owns, so their free
//                 misses whoever frees them, also when the profile has ended. Never in the hardened
//                 flavour, under AT_SECURE, in seccomp mode, and where no file can be had. A child of
//                 fork has no profile of its own until it is asked, or by HAKMEM_PROFILE. Lock rank kProfile;
//                 nothing is taken under it, and no system call made.
// Observable      The file (profile_format.h); rate_bytes().
// Composable      front (thread_cache, cache_list), profile_file, live_samples, os/unwind. Used by heap, observe.
#pragma once

#include "front/thread_cache.h"
#include "profile/live_samples.h"
#include "profile/profile_file.h"

namespace hakmem {

class Profiler {
 public:
  constexpr Profiler() = default;

  // `rate` 0: the option's; kProfileRateMin at least. Only what was off is started.
  void start(Bytes rate);
  // Makes the file now, and not with the first sample. False: another thread is at it, or there is none to be
  // had; the profile is then off.
  bool make_file();
  void stop();
  // 0 while it is off.
  Bytes rate() const { return Bytes(rate_.load(std::memory_order_relaxed)); }

  // Gates the caller's own cache, or lifts its gate; true when it is profiled from now on. The thread is inside.
  bool attend(ThreadCache* cache);

  // A block that counts, of a class; nullptr when it has to come from elsewhere. The thread is inside.
  void* sample(ThreadCache* cache, ClassIndex size_class, SlotCount alignment, size_t size, bool* zero);
  // A block above the classes, got from elsewhere.
  void sample_huge(ThreadCache* cache, void* block, size_t size);

  // relaxed: whoever frees a sampled block has it from a thread that saw the owner set.
  bool is_sampled(uint32_t tag) const {
    return tag >> kTagClassBits == owner_.load(std::memory_order_relaxed);
  }
  // Of those the tags do not tell.
  bool has_huge() const { return huge_.load(std::memory_order_relaxed) != 0; }
  // The block was sampled, and its end is near.
  void freed(const void* block);

  os::Lock& lock() { return lock_; }
  // For the page's layout: where it is, not what is in it.
  const LiveSamples* live_samples() const { return &live_; }
  // After the locks were reset.
  void forget_in_child();
  // Where this thread was interrupted under the lock, which it still holds: no more samples.
  void end_in_child();

 private:
  struct Sampled {
    void* block;
    size_t size;
    uintptr_t place;  // as in LiveSample
    bool is_huge;
  };
  static uintptr_t next_place(ThreadCache* cache, ClassIndex size_class);
  bool begin_sample(ThreadCache* cache);
  void note(ThreadCache* cache, const Sampled& sampled);
  void add_modules(const uintptr_t* frames, uint32_t depth);
  ThreadCache* blocks_cache();

  // sync: profile. Written under lock_; read relaxed: a thread that sees it late starts or stops later.
  std::atomic<uint64_t> rate_{0};
  // The owner of sampled blocks; none at first, then constant.
  std::atomic<uint32_t> owner_{kConstantOwner.count()};
  std::atomic<uint64_t> huge_{0};  // sampled huge blocks in live_
  // sync: profile maker. The thread that makes the file, or the cache.
  std::atomic<bool> making_{false};
  os::Lock lock_{os::LockRank::kProfile};
  // Below: under lock_.
  ProfileFile file_;
  LiveSamples live_;
};

extern Profiler g_profiler;
inline Profiler& profiler() { return g_profiler; }

}  // namespace hakmem
