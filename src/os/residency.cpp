#include "os/residency.h"

#include <fcntl.h>
#include <sys/uio.h>

#include "os/process.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

constexpr size_t kStretches = 4;
constexpr size_t kPages = 64;
constexpr uint32_t kReadPages = 16;
constexpr size_t kReadWords = 8;
// Documentation/admin-guide/mm/pagemap.rst: a word for each page.
constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwappedOut = uint64_t{1} << 62;

}  // namespace

PageSample sample_residency(const void* begin, Bytes size) {
  PageSample sample;
  const size_t page = page_size().count();
  const size_t first = reinterpret_cast<uintptr_t>(begin) / page;
  const size_t pages = size.count() / page;
  if (pages < kPages) return sample;
  const long file = raw_syscall(SYS_openat, AT_FDCWD, reinterpret_cast<long>("/proc/self/pagemap"),
                                O_RDONLY | O_CLOEXEC);
  if (file < 0) return sample;
  const size_t stretches = pages / kPages < kStretches ? pages / kPages : kStretches;
  for (size_t i = 0; i < stretches; ++i) {
    uint64_t words[kPages];
    const size_t at = first + (stretches == 1 ? 0 : (pages - kPages) * i / (stretches - 1));
    const long got = raw_syscall(SYS_pread64, file, reinterpret_cast<long>(words), sizeof words,
                                 static_cast<long>(at * sizeof *words));
    if (got != static_cast<long>(sizeof words)) {
      sample = PageSample{};
      break;
    }
    sample.looked += kPages;
    for (const uint64_t word : words) sample.found += (word & (kPresent | kSwappedOut)) != 0;
  }
  raw_syscall(SYS_close, file);
  return sample;
}

PageSample sample_contents(const void* begin, Bytes size) {
  const size_t page = page_size().count();
  const size_t pages = size.count() / page;
  if (pages < kReadPages) return {};
  uint64_t words[kReadPages][kReadWords];
  iovec from[kReadPages];
  for (size_t i = 0; i < kReadPages; ++i) {
    const uintptr_t at = reinterpret_cast<uintptr_t>(begin) + page * ((pages - 1) * i / (kReadPages - 1));
    from[i] = iovec{reinterpret_cast<void*>(at), sizeof words[i]};
  }
  const iovec to{words, sizeof words};
  const long got = raw_syscall(SYS_process_vm_readv, raw_syscall(SYS_getpid), reinterpret_cast<long>(&to), 1,
                               reinterpret_cast<long>(from), kReadPages, 0);
  if (got != static_cast<long>(sizeof words)) return {};
  PageSample sample{kReadPages, 0};
  for (const auto& start : words) {
    uint64_t any = 0;
    for (const uint64_t word : start) any |= word;
    sample.found += any != 0;
  }
  return sample;
}

}  // namespace hakmem::os
