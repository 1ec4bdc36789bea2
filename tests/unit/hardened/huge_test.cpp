// Huge blocks of the hardened flavour.
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "os/process.h"
#include "pool/shared_pool.h"

#include "hakmem/hakmem.h"

#include "unit/support.h"

namespace hakmem {
namespace {

// The limit is looked at a hundred times a second.
constexpr Milliseconds kReliefPause{20};

// In a child, which has no other thread.
[[noreturn]] void grow_beside_empty_slots() {
  std::vector<void*> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(hak_malloc(100'000));
  for (void* block : blocks) hak_free(block);
  hak_thread_idle();
  void* block = hak_malloc(4 << 20);
  if (pool().stats().empty_slots == 0) _exit(1);
  const test::ScopedConfig limit([](Config& c) { c.memory_limit_bytes = mib(64).count(); });
  const Milliseconds start = os::now_coarse();
  while (os::now_coarse() - start < kReliefPause) std::this_thread::yield();
  if (hak_realloc(block, 60 << 20) == nullptr) _exit(2);
  _exit(pool().stats().empty_slots == 0 ? 0 : 3);
}

TEST(HugeDeathTest, ABlockThatGrowsAsksForTheLimit) {
  EXPECT_EXIT(grow_beside_empty_slots(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace hakmem
