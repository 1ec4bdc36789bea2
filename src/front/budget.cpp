#include "front/budget.h"

#include "config/config.h"
#include "superslab/registry.h"
#include "pool/memory_limit.h"
#include "front/cache_list.h"

namespace hakmem {

namespace {

constinit Budget g_budget;

// For each running thread, of so many at most: their stacks swing one against the other.
constexpr size_t kAutomaticPerThread = size_t{32} << 20;
constexpr uint32_t kAutomaticThreadsMax = 4;
constexpr size_t kAutomaticShare = 16;

}  // namespace

Budget& budget() { return g_budget; }

Bytes Budget::limit() {
  const Bytes most = memory_limit().for_caches();
  if (most == Bytes(0)) return most;
  if (const uint64_t fixed = config().cache_limit_bytes; fixed != 0) return Bytes(fixed);
  const Bytes share{registry().committed().count() / kAutomaticShare};
  uint32_t threads = cache_list().live();
  if (threads > kAutomaticThreadsMax) threads = kAutomaticThreadsMax;
  const Bytes least{(threads == 0 ? 1 : threads) * kAutomaticPerThread};
  const Bytes wanted = share < least ? least : share;
  return wanted < most ? wanted : most;
}

bool Budget::grant(Bytes size) {
  // Where all is granted, every refill asks in vain: a look leaves the sum's cache line to all.
  if (Bytes(granted_.load(std::memory_order_relaxed) + size.count()) > limit()) return false;
  const size_t before = granted_.fetch_add(size.count(), std::memory_order_relaxed);
  if (Bytes(before + size.count()) <= limit()) return true;
  granted_.fetch_sub(size.count(), std::memory_order_relaxed);
  return false;
}

void Budget::hand_back(Bytes size) { granted_.fetch_sub(size.count(), std::memory_order_relaxed); }

}  // namespace hakmem
