// observe/invariants.h: the whole-heap walker.
//
// Responsibility  Check every equation of the design against the heap as it is.
// Contract        Returns the first violation as text, or nullptr. Changes nothing. Nothing is checked in a signal
//                 handler that interrupted the allocator. With threads stopped (outside of the allocator, and what
//                 they did there happened before) every equation is checked, between two rounds of the scavenger:
//                   each SuperSlab: unused + active + empty == 32, tags agree with masks
//                   each slab:      popcount(bitmap) == free count; listed exactly when it has free
//                                   blocks; its list is its owner's
//                   each address cached or on its way: on a block boundary of a slab of that cache,
//                                   once overall, its bit is 0; not of an orphan
//                   the pool:       counts as many slabs as there are
//                 While they run, those that locks protect: a listed slab's count, its owner and the list's links.
// Observable      The text; HeapWalk for the model test, which supplies `live` itself.
// Composable      Everything below. Used by hak_check() and hak_check_stopped(), tests.
#pragma once

#include <cstdint>

namespace hakmem {

enum class Threads : bool { kStopped, kRunning };

struct HeapWalk {
  uint64_t slabs = 0;
  uint64_t blocks = 0;
  uint64_t free_blocks = 0;
  uint64_t cached_blocks = 0;  // on stacks, in messages

  // What the program must be holding, huge blocks apart.
  uint64_t live_blocks() const { return blocks - free_blocks - cached_blocks; }
};

const char* check_heap(Threads threads, HeapWalk* walk = nullptr);

}  // namespace hakmem
