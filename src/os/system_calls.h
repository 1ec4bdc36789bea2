// os/system_calls.h: how often the kernel was entered, by kind.
//
// Responsibility  One count for each kind of system call of ours.
// Contract        raw_syscall() counts, so no call can be forgotten. Several threads write: an
//                 atomic addition, which costs a hundredth of the call that it counts.
// Observable      system_calls(kind).
// Composable      Needs <atomic>. Used by os/raw_syscall, observe.
#pragma once

#include <atomic>
#include <cstdint>

namespace hakmem::os {

enum class SystemCall : uint8_t {
  kMap,
  kUnmap,
  kProtect,
  kAdvise,
  kRemap,
  kFutexWait,
  kFutexWake,
  kOther
};
inline constexpr uint32_t kSystemCallKinds = 8;

// sync: none, statistics. A cache line of their own, for nothing else is to wait for it.
alignas(64) inline constinit std::atomic<uint64_t> g_system_calls[kSystemCallKinds] = {};

inline void count_system_call(SystemCall kind) {
  // relaxed: nothing is published through a statistic.
  g_system_calls[static_cast<uint32_t>(kind)].fetch_add(1, std::memory_order_relaxed);
}

inline uint64_t system_calls(SystemCall kind) {
  return g_system_calls[static_cast<uint32_t>(kind)].load(std::memory_order_relaxed);
}

}  // namespace hakmem::os
