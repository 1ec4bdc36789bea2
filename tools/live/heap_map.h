// tools/live/heap_map.h: every SuperSlab and slab of another process.
//
// Responsibility  Copy the registry's records out of a running process, and say what each slot is.
// Contract        process_vm_readv by the addresses and offsets the process's page gives: no ptrace, no stop.
//                 The process runs on, so neighbouring records may be of different moments; nothing that was read
//                 is trusted. A refusal by the system is a Failure.
// Observable      HeapMap.
// Composable      page. Used by map.
#pragma once

#include <cstdint>
#include <vector>

#include "page.h"

namespace hakmem::tools {

enum class SlotKind : std::uint8_t { kUnused, kEmpty, kSlab, kTail, kHuge, kMoving };

struct SlotView {
  SlotKind kind = SlotKind::kUnused;
  // Of the slab's first slot; kTail are those behind it.
  std::uint32_t block_bytes = 0;
  std::uint32_t blocks = 0;
  std::uint32_t free_blocks = 0;  // in the slab; what caches hold counts as taken
  std::uint32_t slots = 0;
  std::uint32_t owner = 0;
};

struct SuperSlabView {
  std::uint32_t reservation = 0;
  std::uint64_t number = 0;  // within its reservation
  std::vector<SlotView> slots;
};

struct HeapMap {
  std::vector<SuperSlabView> superslabs;
  std::uint64_t never_opened = 0;
};

HeapMap read_heap_map(int pid, const StatsPage& page);

}  // namespace hakmem::tools
