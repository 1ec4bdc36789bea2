// large/huge_mapping.h: the mapping of one huge block.
//
// Responsibility  Map, resize and unmap; in the hardened flavour with a guard on both sides.
// Contract        Sizes are multiples of the page size. Nothing is remembered. Not under a lock: system calls.
// Observable      Nothing.
// Composable      os/pages, config. Used by huge.
#pragma once

#include "base/units.h"

namespace hakmem::huge_mapping {

// nullptr when refused. Zeroes.
void* map(Bytes size, Bytes alignment);

// Where the block lies afterwards; nullptr when refused, then it is untouched. Several mappings side by side cannot
// be moved.
void* resize(void* block, Bytes old_size, Bytes new_size);

void unmap(void* block, Bytes size);

}  // namespace hakmem::huge_mapping
