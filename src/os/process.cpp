#include "os/process.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <bit>

#include "base/check.h"
#include "base/text.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

const char* const* environment() { return environ; }

bool is_secure_process() { return getauxval(AT_SECURE) != 0; }

Bytes page_size() {
  // relaxed: every thread finds the same.
  static constinit std::atomic<size_t> known{0};
  size_t size = known.load(std::memory_order_relaxed);
  if (size == 0) [[unlikely]] {
    size = getauxval(AT_PAGESZ);
    if (size == 0) size = 4096;
    known.store(size, std::memory_order_relaxed);
  }
  return Bytes(size);
}

namespace {

rlim_t soft_limit(int resource) {
  rlimit limit{};
  if (raw_syscall(SYS_prlimit64, 0, resource, 0, reinterpret_cast<long>(&limit)) != 0) {
    return RLIM_INFINITY;
  }
  return limit.rlim_cur;
}

Bytes bytes_of(rlim_t limit) { return Bytes(limit == RLIM_INFINITY ? SIZE_MAX : limit); }

}  // namespace

Bytes address_space_limit() { return bytes_of(soft_limit(RLIMIT_AS)); }

Bytes data_limit() { return bytes_of(soft_limit(RLIMIT_DATA)); }

bool may_lock_memory() {
  constexpr rlim_t kKernelDefault = rlim_t{8} << 20;
  const rlim_t limit = soft_limit(RLIMIT_MEMLOCK);
  return limit != RLIM_INFINITY && limit > kKernelDefault;
}

uint32_t cpu_count() {
  // relaxed: whoever finds 0 counts for itself, and finds the same.
  static constinit std::atomic<uint32_t> known{0};
  uint32_t count = known.load(std::memory_order_relaxed);
  if (count != 0) return count;
  uint64_t mask[1024 / 64] = {};
  const long bytes = raw_syscall(SYS_sched_getaffinity, 0, sizeof mask, reinterpret_cast<long>(mask));
  for (long word = 0; word < bytes / 8; ++word) count += static_cast<uint32_t>(std::popcount(mask[word]));
  if (count == 0) count = UINT32_MAX;  // more CPUs than that, or the system does not say
  known.store(count, std::memory_order_relaxed);
  return count;
}

Milliseconds now_coarse() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return Milliseconds(static_cast<uint64_t>(now.tv_sec) * 1000 +
                      static_cast<uint64_t>(now.tv_nsec) / 1'000'000);
}

uint64_t now_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

bool write_all(int descriptor, const char* text, size_t length) {
  while (length > 0) {
    const long written =
        raw_syscall(SYS_write, descriptor, reinterpret_cast<long>(text), static_cast<long>(length));
    if (written == -EINTR) continue;
    if (written <= 0) return false;
    text += written;
    length -= static_cast<size_t>(written);
  }
  return true;
}

void write_stderr(const char* text, size_t length) { write_all(2, text, length); }

uint64_t random_bits() {
  constexpr long kDoNotWait = 1;
  uint64_t bits = 0;
  const long got = raw_syscall(SYS_getrandom, reinterpret_cast<long>(&bits), sizeof bits, kDoNotWait);
  if (got == static_cast<long>(sizeof bits)) return bits;
  // Early in the life of a machine, or where a filter forbids the call. 16 random bytes lie there.
  const auto* given = reinterpret_cast<const unsigned char*>(getauxval(AT_RANDOM));
  for (int i = 0; given != nullptr && i < 16; ++i) bits = bits * 257 + given[i];
  return bits ^ now_microseconds() * 0x9e3779b97f4a7c15u;
}

int process_id() { return static_cast<int>(raw_syscall(SYS_getpid)); }

void abort_process() { abort(); }

void exit_process(int status) {
  raw_syscall(SYS_exit_group, status);
  __builtin_unreachable();
}

}  // namespace hakmem::os

namespace hakmem {

void check_failed(const char* what, const char* file, int line) {
  LineWriter text;
  text.append("hakmem: internal check failed: ").append(what).append(" at ").append(file);
  text.append(":").append_decimal(static_cast<uint64_t>(line)).end_line();
  os::write_stderr(text.data(), text.size());
  os::abort_process();
}

}  // namespace hakmem
