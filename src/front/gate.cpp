// ThreadCache: gated, while its thread is profiled.
//
// Requests of up to kTinyMax bytes go by the class table, which names the empty stack for all of them: they miss, are
// counted, and pop past the table; frees of them hit as ever. Larger ones have no table. Their stacks have a fence at
// the top and a tripwire right above it at all times, so that neither a pop nor a push hits, and each step here lifts
// both, does what the hit would have done, and sets them anew.
#include "front/thread_cache.h"

namespace hakmem {

namespace {

// Steps between two slow paths, which bring the ticks.
constexpr uint32_t kStepsPerSlowPath = 32;

}  // namespace

void ThreadCache::set_gated(bool gated) {
  if (gated) {
    if (!is_gated()) tiny_classes.fill(kClasses);
    watch_counted();
  } else if (is_gated()) {
    tiny_classes = kTinyClassTable;
    allowance = kNoAllowance;
  }
}

// All that are counted here: what comes by mail is on no slow path of its class.
void ThreadCache::watch_counted() {
  if (!is_gated()) return;
  for (uint32_t i = kTinyClasses; i < kClasses; ++i) {
    const ClassIndex c(i);
    const ClassState& state = state_of(c);
    if (state.bottom == nullptr) continue;
    mend(c);
    if (is_fenced_at(state, depth(c)) && is_wall(*tops[i])) continue;
    lift_fence(c);
    watch(c, 0);
  }
}

// And no pop that a handler interrupted has gone past the fence, and a push after it.
bool ThreadCache::is_fenced_at(const ClassState& state, uint32_t entries) {
  return state.fence == entries && state.bottom[entries] == nullptr;
}

// A handler that interrupted a step of its own thread's finds no front to step on; a child of fork that finds one half
// done loses the topmost entry, as it does anyway.
bool ThreadCache::may_step(const ClassState& state, uint32_t entries) {
  const bool may =
      state.bottom != nullptr && is_fenced_at(state, entries) && !state.shrinks && steps_left_ != 0;
  steps_left_ = may ? steps_left_ - 1 : kStepsPerSlowPath;
  return may;
}

void* ThreadCache::step_down(ClassIndex c) {
  ClassState& state = state_of(c);
  const uint32_t entries = depth(c);
  if (entries == 0 || !may_step(state, entries)) return nullptr;
  void** top = tops[c.count()];
  void* block = state.fenced_block;
  if (state.tripwire != 0) top[0] = nullptr;  // else it is the capacity's wall
  top[-1] = wall();
  state.tripwire = static_cast<uint16_t>(entries - 1);
  state.fenced_block = top[-2];
  top[-2] = nullptr;
  state.fence = static_cast<uint16_t>(entries - 1);
  tops[c.count()] = top - 1;
  if (entries - 1 < state.low_water) state.low_water = static_cast<uint16_t>(entries - 1);
  return block;
}

bool ThreadCache::step_up(ClassIndex c, void* block) {
  ClassState& state = state_of(c);
  const uint32_t entries = depth(c);
  if (entries >= state.capacity || !may_step(state, entries)) return false;
  void** top = tops[c.count()];
  if (entries != 0) top[-1] = state.fenced_block;
  state.fenced_block = block;
  top[0] = nullptr;
  state.fence = static_cast<uint16_t>(entries + 1);
  tops[c.count()] = top + 1;
  const bool is_full = entries + 1 == state.capacity;
  state.tripwire = is_full ? 0 : static_cast<uint16_t>(entries + 1);
  top[1] = wall();
  return true;
}

}  // namespace hakmem
