// What starts the scavenger, and for how long it stays awake.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "base/check.h"
#include "os/process.h"
#include "large/huge.h"
#include "heap/scavenger.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem {
namespace {

// Whoever waits longer waits for ever.
constexpr unsigned kSecondsMax = 20;

// In a child, whose process ends when the thread runs.
[[noreturn]] void start_by_refused_growth() {
  alarm(kSecondsMax);
  hak_trim();
  char* block = static_cast<char*>(hak_malloc(5 << 20));
  {
    const test::ScopedConfig off([](Config& c) { c.scavenger = AutoSwitch::kOff; });
    // As mappings that came to lie side by side, which the system does not move together.
    if (mprotect(block + (2 << 20), os::page_size().count(), PROT_READ) != 0) _exit(1);
    hak_free(block);
  }
  if (huge_blocks().stats().retained != mib(5) || scavenger::runs()) _exit(2);
  const test::ScopedConfig on([](Config& c) { c.scavenger = AutoSwitch::kOn; });
  if (hak_malloc(6 << 20) == nullptr) _exit(3);
  while (!scavenger::runs()) std::this_thread::yield();
  _exit(0);
}

// Nobody had a use for the notice when the range was freed. It is given again with the range that would not grow.
TEST(ScavengerDeathTest, IsStartedByAGrowthThatWasRefused) {
  if (kHardened || test::kThreadSanitizer) GTEST_SKIP() << "nothing is retained, or no thread starts after a fork";
  EXPECT_EXIT(start_by_refused_growth(), testing::ExitedWithCode(0), "");
}

// A curve that takes minutes is followed to its end, and a short one in no more wake-ups than eight in its time.
TEST(Scavenger, SleepsAfterFourDecayTimes) {
  constexpr uint64_t kTimes[] = {0, 1, 10, 80, 999, 1000, 8000, 39'000, 60'000, 3'600'000};
  for (const uint64_t decay_ms : kTimes) {
    const scavenger::Rhythm rhythm = scavenger::rhythm_of(Milliseconds(decay_ms));
    EXPECT_GE(rhythm.idle_rounds * rhythm.pause.count(), 4 * decay_ms) << decay_ms;
    EXPECT_GE(rhythm.idle_rounds, 32U) << decay_ms;
    EXPECT_GE(rhythm.pause, Milliseconds(10)) << decay_ms;
    EXPECT_LE(rhythm.pause, Milliseconds(1000)) << decay_ms;
    EXPECT_LE(rhythm.idle_rounds * rhythm.pause.count(), 5 * decay_ms + 320) << decay_ms;
  }
}

}  // namespace
}  // namespace hakmem
