// schedule/scheduler.h: which thread runs, decided by a seed.
//
// The boxes are compiled with -fsanitize=thread and linked with tsan_runtime.cpp instead of TSan's
// runtime. So the layer under their atomics is the compiler's own, the product has none of it, and each
// atomic operation comes by here: one thread runs at a time, and at each such point the seed says which.
// The interleavings are sequentially consistent. The orders the code names are not simulated, but they
// are held to account: races.h follows them with vector clocks, and a plain access that no named order
// puts after another thread's is an error.
#pragma once

#include <cstdint>

namespace schedule {

inline constexpr uint32_t kThreadsMax = 5;  // the main thread is number 0

// xorshift64*: the same numbers in every run.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>((next() >> 33) % limit); }
  bool one_in(uint32_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

// Runs `body(i)` for i in 1 .. threads, interleaved as `seed` says, and returns when all are done. `points`: about as
// many as the life passes, which switches are spread over.
void run(uint64_t seed, uint32_t threads, void (*body)(uint32_t number), uint64_t points = 6000);

// The number of the calling thread; 0 outside run().
uint32_t self();
// A point where another thread may go on. Does nothing outside run().
void point();
// What a lock's slow path asks for.
void wait_on(const volatile uint32_t* word, uint32_t expected);
void wake_one(const volatile uint32_t* word);
// True while that thread waits for somebody to wake it.
bool waits(uint32_t number);

// The seed is said, and the process ends.
[[noreturn]] void fail(const char* what, uint64_t detail = 0);

struct Stats {
  uint64_t points = 0;
  uint64_t switches = 0;
  uint64_t waits = 0;
  uint64_t trace = 0;  // a hash over who ran when: two runs of a seed must agree
};
const Stats& stats();

}  // namespace schedule
