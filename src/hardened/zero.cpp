#include "hardened/zero.h"

#include <string.h>

namespace hakmem::hardened {

constinit std::atomic<Vectors> g_vectors{Vectors::kUnknown};

bool look_for_wide_vectors() {
  const bool wide = os::has_avx2();
  g_vectors.store(wide ? Vectors::kWide : Vectors::kPairs, std::memory_order_relaxed);
  return wide;
}

void clear_by_pairs(uintptr_t block, size_t bytes) {
  memset(reinterpret_cast<void*>(block), 0, bytes - sizeof(uint64_t));
}

}  // namespace hakmem::hardened
