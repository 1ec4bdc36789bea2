// tools/live/heap_map.h: every SuperSlab and slab of another process.
//
// Responsibility  Copy the registry's records out of a running process, and say what each slot is, and how old.
// Contract        process_vm_readv by the addresses and offsets the process's page gives: no ptrace, no stop.
//                 The process runs on, so neighbouring records may be of different moments; nothing that was read
//                 is trusted. A refusal by the system is a Failure.
// Observable      HeapMap.
// Composable      page, memory. Used by map, serve, blame.
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
  std::uint64_t purged_bytes = 0;  // of the free ones: pages that went back to the system
  std::uint32_t born = 0;          // by the library's slab clock, which wraps

  std::uint32_t taken() const { return blocks - free_blocks; }
  std::uint64_t free_bytes() const { return std::uint64_t{free_blocks} * block_bytes; }
};

// So many of `blocks` hold all the others back: one in sixteen, or fewer.
inline bool is_nearly_empty(std::uint32_t taken, std::uint32_t blocks) {
  return taken != 0 && std::uint64_t{taken} * 16 <= blocks;
}

struct SuperSlabView {
  std::uint32_t reservation = 0;
  std::uint64_t number = 0;  // within its reservation
  std::uint64_t base = 0;    // its address
  std::vector<SlotView> slots;
};

struct HeapMap {
  std::vector<SuperSlabView> superslabs;
  std::uint64_t never_opened = 0;
  std::uint64_t clock_ms = 0;  // a step of the slab clock; 0: this library has none
  std::uint32_t now = 0;       // by it

  // Up to the whole range of the clock; 0 of what is younger than `now`.
  std::uint32_t steps_since(std::uint32_t then) const;
  // Since the slab was taken for its class; of those that read as younger than now, 0.
  std::uint64_t age_ms(const SlotView& slab) const;
};

HeapMap read_heap_map(int pid, const StatsPage& page);

}  // namespace hakmem::tools
