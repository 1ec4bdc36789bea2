#include "os/residency.h"

#include <fcntl.h>

#include "os/process.h"
#include "os/raw_syscall.h"

namespace hakmem::os {

namespace {

constexpr size_t kStretches = 4;
constexpr size_t kPages = 64;
// Documentation/admin-guide/mm/pagemap.rst: a word for each page.
constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwappedOut = uint64_t{1} << 62;

}  // namespace

Residency sample_residency(const void* begin, Bytes size) {
  Residency found;
  const size_t page = page_size().count();
  const size_t first = reinterpret_cast<uintptr_t>(begin) / page;
  const size_t pages = size.count() / page;
  if (pages < kPages) return found;
  const long file = raw_syscall(SYS_openat, AT_FDCWD, reinterpret_cast<long>("/proc/self/pagemap"),
                                O_RDONLY | O_CLOEXEC);
  if (file < 0) return found;
  const size_t stretches = pages / kPages < kStretches ? pages / kPages : kStretches;
  for (size_t i = 0; i < stretches; ++i) {
    uint64_t words[kPages];
    const size_t at = first + (stretches == 1 ? 0 : (pages - kPages) * i / (stretches - 1));
    const long got = raw_syscall(SYS_pread64, file, reinterpret_cast<long>(words), sizeof words,
                                 static_cast<long>(at * sizeof *words));
    if (got != static_cast<long>(sizeof words)) {
      found = Residency{};
      break;
    }
    found.looked += kPages;
    for (const uint64_t word : words) found.present += (word & (kPresent | kSwappedOut)) != 0;
  }
  raw_syscall(SYS_close, file);
  return found;
}

}  // namespace hakmem::os
