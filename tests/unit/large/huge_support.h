// unit/large/huge_support.h: huge blocks of a test's own.
#pragma once

#include "large/huge.h"

namespace hakmem::test {

// Each test has blocks of its own; what a test leaves is unmapped at its end.
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
  HugeBlocks blocks_;
};

}  // namespace hakmem::test
