#include "hardened/zero.h"

#include <string.h>

namespace hakmem::hardened {

constinit std::atomic<Vectors> g_vectors{Vectors::kUnknown};

bool look_for_wide_vectors() {
  const bool wide = os::has_avx2();
  g_vectors.store(wide ? Vectors::kWide : Vectors::kPairs, std::memory_order_relaxed);
  return wide;
}

bool reads_as_zero_by_pairs(uintptr_t block, size_t bytes) {
  const auto* pair = reinterpret_cast<const WordPair*>(block);
  const auto* last = reinterpret_cast<const WordPair*>(block + bytes) - 1;
  WordPair even = {*reinterpret_cast<const Word*>(last), 0};
  WordPair odd = last[-1];
  even |= last[-2];
  odd |= last[-3];
  for (; pair + 4 <= last; pair += 4) {
    even |= pair[0];
    odd |= pair[1];
    even |= pair[2];
    odd |= pair[3];
  }
  return os::is_zero(even | odd);
}

void clear_by_pairs(uintptr_t block, size_t bytes) {
  memset(reinterpret_cast<void*>(block), 0, bytes - sizeof(uint64_t));
}

}  // namespace hakmem::hardened
