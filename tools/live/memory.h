// tools/live/memory.h: the memory of another process.
//
// Responsibility  Copy a range of it.
// Contract        process_vm_readv: no ptrace, no stop. A refusal by the system is a Failure, and so is a range that
//                 is not mapped: the process does not lay out its heap as its page says.
// Observable      The bytes.
// Composable      failure. Used by heap_map, samples.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::tools {

class Memory {
 public:
  explicit Memory(int pid) : pid_(pid) {}

  void read(std::uint64_t address, void* out, std::size_t bytes) const;

 private:
  int pid_;
};

}  // namespace hakmem::tools
