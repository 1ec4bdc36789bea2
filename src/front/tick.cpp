// ThreadCache: bounded deferred work, on slow paths only.
#include "os/latency.h"
#include "os/process.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// A tick is a twentieth of the default decay time.
constexpr Milliseconds kTickInterval{50};
// Slow paths between two looks at the clock: rare enough to be free. Fences make sure that a program
// which only ever hits its stacks comes by as well, see class_stack.cpp.
constexpr uint32_t kSlowPathsPerLook = 8;

// Meetings with fences and tripwires after a tick: 0.2 % of a CPU's time at most, and enough for a program
// of 80 000 calls a second to come by at every one of them. Threads that share a CPU share this.
constexpr uint32_t kAttention = 4096;

// How many threads tick: those that sleep take no share.
class TickingThreads {
 public:
  uint32_t count_one(Milliseconds now) {
    // relaxed throughout: a wrong count makes one tick's attention too small or too large.
    uint64_t begin = begin_.load(std::memory_order_relaxed);
    if (now.count() >= begin + kTickInterval.count() &&
        begin_.compare_exchange_strong(begin, now.count(), std::memory_order_relaxed)) {
      last_.store(current_.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
    }
    const uint32_t current = current_.fetch_add(1, std::memory_order_relaxed) + 1;
    const uint32_t last = last_.load(std::memory_order_relaxed);
    return current < last ? last : current;
  }

 private:
  // sync: none, see count_one(). Ticks since `begin_`, and in the interval before.
  std::atomic<uint64_t> begin_{0};
  std::atomic<uint32_t> current_{0};
  std::atomic<uint32_t> last_{0};
};

constinit TickingThreads g_ticking;

uint32_t attention_of_one_in(uint32_t threads) {
  const uint32_t cpus = os::cpu_count();
  return threads <= cpus ? kAttention : static_cast<uint32_t>(uint64_t{kAttention} * cpus / threads);
}

}  // namespace

void ThreadCache::count_slow_path() {
  stats_.slow_paths.add(1);
  if (slow_paths_left_-- != 0) return;
  slow_paths_left_ = kSlowPathsPerLook;
  const Milliseconds now = os::now_coarse();
  if ((now - last_tick_) >= kTickInterval) tick(now);
}

void ThreadCache::tick(Milliseconds now) {
  const os::Stopwatch stopwatch(os::Cause::tick);
  last_tick_ = now;
  stats_.ticks.add(1);
  send_all();
  if (inbox_.has_mail()) receive();
  attention_ = kClasses;  // each stack is met once, whatever there is for more
  bool any = false;
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassIndex c(i);
    ClassState& state = classes_[i];
    if (state.bottom != nullptr) {
      any = true;
      mend(c);
      if (state.fence != 0) {
        shrink_if_idle(c);
      } else {
        state.low_water = static_cast<uint16_t>(depth(c));
      }
      lift_fence(c);
      watch(c, 0);
      set_depth(c, depth(c));  // published
    }
  }
  attention_ = any ? attention_of_one_in(g_ticking.count_one(now)) : 0;
  release_kept_slabs(KeptSlabs::kIdle);
  ticked_ = true;
}

}  // namespace hakmem
