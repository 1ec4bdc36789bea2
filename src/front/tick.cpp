// ThreadCache: bounded deferred work, on slow paths only.
#include "os/process.h"
#include "front/cache_list.h"
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

uint32_t attention_of_a_thread() {
  const uint32_t threads = cache_list().count() - cache_list().parked();
  const uint32_t cpus = os::cpu_count();
  if (threads <= cpus) return kAttention;
  return static_cast<uint32_t>(uint64_t{kAttention} * cpus / threads);
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
  last_tick_ = now;
  stats_.ticks.add(1);
  send_all();
  if (inbox_.has_mail()) receive();
  attention_ = kClasses;  // each stack is met once, whatever there is for more
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassIndex c(i);
    ClassState& state = classes_[i];
    if (state.bottom != nullptr) {
      mend(c);
      if (state.fence != 0) shrink(c);
      lift_fence(c);
      state.low_water = static_cast<uint16_t>(depth(c));
      watch(c, 0);
      set_depth(c, depth(c));  // published
    }
  }
  attention_ = attention_of_a_thread();
  release_kept_slabs(KeptSlabs::kIdle);
  ticked_ = true;
}

}  // namespace hakmem
