#include "pool/memory_limit.h"

#include "config/config.h"

namespace hakmem {

namespace {
constinit MemoryLimit g_memory_limit;

constexpr size_t kCachesShare = 16;
}  // namespace

MemoryLimit& memory_limit() { return g_memory_limit; }

Bytes MemoryLimit::limit() const {
  if (const uint64_t fixed = config().memory_limit_bytes; fixed != 0) return Bytes(fixed);
  return Bytes(found_.load(std::memory_order_relaxed));
}

Bytes MemoryLimit::spare(Bytes in_use) const {
  if (rung() != Rung::kCalm) return Bytes(0);
  const size_t most = limit().count() / 4 * 3;
  return Bytes(in_use.count() < most ? most - in_use.count() : 0);
}

Bytes MemoryLimit::for_caches() const {
  if (rung() == Rung::kShrinkCaches) return Bytes(0);
  return Bytes(limit().count() / kCachesShare);
}

bool MemoryLimit::is_near(Bytes used) const { return used.count() > limit().count() / 8 * 7; }

}  // namespace hakmem
