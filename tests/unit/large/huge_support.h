// unit/large/huge_support.h: huge blocks of a test's own.
#pragma once

#include "large/huge.h"

#include "unit/support.h"

namespace hakmem::test {

// Each test has blocks of its own; what a test leaves is unmapped at its end. No decay time passes by itself: tests
// that wait for one say that it is later.
class OwnHugeBlocks {
 public:
  ~OwnHugeBlocks() { blocks_.purge_all(); }
  HugeBlocks* operator->() { return &blocks_; }
  HugeBlocks& operator*() { return blocks_; }

  char* get(size_t size, HugeBlocks::Contents contents = HugeBlocks::Contents::kAny,
            Bytes alignment = Bytes(1)) {
    return static_cast<char*>(blocks_.allocate(Bytes(size), alignment, HugeBlocks::FromSlots::kAllowed, contents));
  }

 private:
  const ScopedConfig an_hour_{[](Config& c) { c.decay_ms = 3'600'000; }};
  HugeBlocks blocks_;
};

}  // namespace hakmem::test
