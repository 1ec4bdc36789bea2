#include "profile/profiler.h"

#include <new>

#include "os/modules.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/unwind.h"
#include "config/config.h"
#include "superslab/meta_arena.h"
#include "front/cache_list.h"

namespace hakmem {

struct ProfiledThread {
  explicit ProfiledThread(uint64_t seed) : random(seed) {}

  uint64_t random;
  uint64_t rate = 0;  // that the allowance was drawn with
  os::KnownFrames known = {};
};
static_assert(sizeof(ProfiledThread) <= MetaArena::kCellMax);

namespace {

// Our own frames are nobody's call sites. A program linked with us has them in its own file, and then the
// command tells them apart by their names.
uint32_t own_frames(const uintptr_t* frames, uint32_t depth) {
  const os::CodeRange own = os::code_range_at(reinterpret_cast<uintptr_t>(&own_frames));
  if (own.is_program) return 0;
  uint32_t mine = 0;
  while (mine < depth && frames[mine] - own.begin < own.end - own.begin) ++mine;
  return mine;
}

}  // namespace

constinit Profiler g_profiler;

void Profiler::start(Bytes rate) {
  if (kHardened || !os::kFindsCodeWithoutLock || os::is_secure_process()) return;
  uint64_t wanted = rate.count() != 0 ? rate.count() : config().profile_rate_bytes;
  if (wanted < kProfileRateMin) wanted = kProfileRateMin;
  os::LockGuard guard(lock_);
  if (rate_.load(std::memory_order_relaxed) != 0) return;
  rate_.store(wanted, std::memory_order_relaxed);
}

bool Profiler::make_file() {
  {
    os::LockGuard guard(lock_);
    if (file_.is_open()) return true;
  }
  // acquire, release: who makes one after another sees what that one made.
  if (making_.exchange(true, std::memory_order_acquire)) return false;
  uint64_t wanted = 0;
  {
    // Another look, now that nobody else makes one.
    os::LockGuard guard(lock_);
    if (!file_.is_open()) wanted = rate_.load(std::memory_order_relaxed);
  }
  if (wanted == 0) {
    making_.store(false, std::memory_order_release);
    os::LockGuard guard(lock_);
    return file_.is_open();
  }
  ProfileFile made;
  if (!os::is_sandboxed()) made = ProfileFile::open(wanted, os::now_coarse().count());
  const bool is_there = made.is_open();
  bool is_wanted;
  {
    os::LockGuard guard(lock_);
    is_wanted = rate_.load(std::memory_order_relaxed) == wanted;
    if (is_wanted) file_ = made;
    if (is_wanted && !is_there) rate_.store(0, std::memory_order_relaxed);
  }
  if (!is_wanted) made.close();  // stopped meanwhile
  making_.store(false, std::memory_order_release);
  return is_there && is_wanted;
}

void Profiler::stop() {
  ProfileFile ended;
  LiveSamples samples;
  {
    os::LockGuard guard(lock_);
    rate_.store(0, std::memory_order_relaxed);
    huge_.store(0, std::memory_order_relaxed);
    ended = file_;
    file_ = ProfileFile();
    samples = live_;
    live_ = LiveSamples();
  }
  ended.close();
  samples.unmap();
}

bool Profiler::attend(ThreadCache* cache) {
  const uint64_t rate = rate_.load(std::memory_order_relaxed);
  if (rate != 0 && cache->profiled == nullptr) {
    // No room: this thread goes uncounted.
    if (void* cell = meta_arena().allocate(Bytes(sizeof(ProfiledThread))); cell != nullptr) {
      const uint64_t seed = os::now_microseconds() ^ uint64_t{cache->id().count()} << 40;
      cache->profiled = new (cell) ProfiledThread(seed);
    }
  }
  const bool is_profiled = rate != 0 && cache->profiled != nullptr;
  if (is_profiled && (cache->profiled->rate != rate || !cache->is_gated())) {
    cache->profiled->rate = rate;
    cache->allowance = next_gap(&cache->profiled->random, rate);
  }
  cache->set_gated(is_profiled);
  return is_profiled;
}

bool Profiler::begin_sample(ThreadCache* cache) {
  ProfiledThread& thread = *cache->profiled;
  cache->allowance = next_gap(&thread.random, thread.rate);
  const uint64_t now_rate = rate().count();
  return now_rate != 0 && now_rate == thread.rate && !os::is_sandboxed() && make_file();
}

ThreadCache* Profiler::blocks_cache() {
  const uint32_t owner = owner_.load(std::memory_order_relaxed);
  if (owner != kConstantOwner.count()) return cache_list().find(OwnerId(owner));
  if (making_.exchange(true, std::memory_order_acquire)) return nullptr;
  ThreadCache* cache = cache_list().make_unowned();
  if (cache != nullptr) owner_.store(cache->id().count(), std::memory_order_relaxed);
  making_.store(false, std::memory_order_release);
  return cache;
}

// What the thread's own cache would give out now. It stays there, for the next request.
uintptr_t Profiler::next_place(ThreadCache* cache, ClassIndex c) {
  if (is_large(c)) return 0;
  bool zero = false;
  void* next = cache->pop(c);
  if (next == nullptr) next = cache->allocate(c, &zero);
  if (next == nullptr) return 0;
  if (!cache->push(c, next)) cache->deallocate(c, next);
  return reinterpret_cast<uintptr_t>(next);
}

void* Profiler::sample(ThreadCache* cache, ClassIndex c, SlotCount alignment, size_t size, bool* zero) {
  if (!begin_sample(cache)) return nullptr;
  ThreadCache* lender = blocks_cache();
  if (lender == nullptr) return nullptr;
  void* block = lender->borrow_block(c, zero, alignment);
  if (block != nullptr) note(cache, {block, size, next_place(cache, c), false});
  return block;
}

void Profiler::sample_huge(ThreadCache* cache, void* block, size_t size) {
  if (begin_sample(cache)) note(cache, {block, size, 0, true});
}

void Profiler::add_modules(const uintptr_t* frames, uint32_t depth) {
  os::CodeRange last;
  for (uint32_t i = 0; i < depth; ++i) {
    if (frames[i] - last.begin < last.end - last.begin) continue;
    last = os::code_range_at(frames[i] - 1);
    if (last.end == 0) continue;
    {
      os::LockGuard guard(lock_);
      if (!file_.is_open() || file_.knows_module(last)) continue;
    }
    const os::Module module = os::module_of(last);
    os::LockGuard guard(lock_);
    if (module.found && file_.is_open()) file_.add_module(last, module);
  }
}

void Profiler::note(ThreadCache* cache, const Sampled& sampled) {
  uintptr_t frames[kProfileDepthMax + 8];
  const uint32_t walked = static_cast<uint32_t>(
      os::walk_stack(&cache->profiled->known, frames, sizeof frames / sizeof *frames));
  const uint32_t mine = own_frames(frames, walked);
  uint32_t depth = walked - mine;
  if (depth > kProfileDepthMax) depth = kProfileDepthMax;
  add_modules(frames + mine, depth);
  live_.make_room(lock_);
  const uint32_t since = slab_clock(os::now_coarse());
  os::LockGuard guard(lock_);
  if (!file_.is_open()) return;
  const uint32_t stack = file_.intern(frames + mine, depth);
  const bool stays = live_.put({reinterpret_cast<uintptr_t>(sampled.block), sampled.size, stack, sampled.is_huge,
                                sampled.place, since});
  if (!stays) file_.count_lost();
  // Before the program has the block: it may be freed by another thread.
  if (stays && sampled.is_huge) huge_.fetch_add(1, std::memory_order_relaxed);
  file_.allocated(stack, weight_of(sampled.size, file_.rate_bytes()), stays);
}

void Profiler::freed(const void* block) {
  os::LockGuard guard(lock_);
  if (!file_.is_open()) return;
  const LiveSample sample = live_.take(reinterpret_cast<uintptr_t>(block));
  if (sample.address == 0) return;
  if (sample.is_huge) huge_.fetch_sub(1, std::memory_order_relaxed);
  file_.freed(sample.stack, weight_of(sample.size, file_.rate_bytes()));
}

void Profiler::end_in_child() { rate_.store(0, std::memory_order_relaxed); }

void Profiler::forget_in_child() {
  rate_.store(0, std::memory_order_relaxed);
  owner_.store(kConstantOwner.count(), std::memory_order_relaxed);
  huge_.store(0, std::memory_order_relaxed);
  making_.store(false, std::memory_order_relaxed);
  file_.leave();
  file_ = ProfileFile();
  live_.unmap();
  live_ = LiveSamples();
}

}  // namespace hakmem
