// ThreadCache: bounded deferred work, on slow paths only.
#include "os/process.h"
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// A tick is a twentieth of the default decay time.
constexpr Milliseconds kTickInterval{50};
// Slow paths between two looks at the clock: rare enough to be free. Fences make sure that a program
// which only ever hits its stacks comes by as well, see class_stack.cpp.
constexpr uint32_t kSlowPathsPerLook = 8;

// Meetings with fences and tripwires after a tick: 0.2 % of the time at most, and enough for a program
// of 80 000 calls a second to come by at every one of them.
constexpr uint32_t kAttention = 4096;

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
  for (uint32_t i = 0; i < kClasses; ++i) {
    const ClassIndex c(i);
    ClassState& state = classes_[i];
    if (state.bottom != nullptr) {
      mend(c);
      if (state.fence != 0) shrink(c);
      lift_fence(c);
      attention_ = kAttention;
      state.low_water = static_cast<uint16_t>(depth(c));
      watch(c, 0);
      set_depth(c, depth(c));  // published
    }
  }
  release_kept_slabs(KeptSlabs::kIdle);
  ticked_ = true;
}

}  // namespace hakmem
