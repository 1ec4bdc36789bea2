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
constexpr uint32_t kReadPages = 16;

constinit Lock g_look{LockRank::kLook};

// A file of the process's own, for as long as this lives.
class OwnFile {
 public:
  explicit OwnFile(const char* path)
      : file_(raw_syscall(SYS_openat, AT_FDCWD, reinterpret_cast<long>(path), O_RDONLY | O_CLOEXEC)) {}
  ~OwnFile() {
    if (file_ >= 0) raw_syscall(SYS_close, file_);
  }
  OwnFile(const OwnFile&) = delete;
  OwnFile& operator=(const OwnFile&) = delete;

  // False unless it has all of them.
  template <size_t kWords>
  bool read(uint64_t (&words)[kWords], size_t offset) const {
    return file_ >= 0 && raw_syscall(SYS_pread64, file_, reinterpret_cast<long>(words), sizeof words,
                                     static_cast<long>(offset)) == static_cast<long>(sizeof words);
  }

 private:
  const long file_;
};

// Under g_look. The places are multiples of the golden section of the range.
PageSample read_pages(uintptr_t begin, size_t pages, size_t page) {
  const OwnFile file("/proc/self/mem");
  PageSample sample;
  for (uint32_t i = 0; i < kReadPages; ++i) {
    uint64_t words[8];
    const uint32_t part = i * 0x9e3779b9u;
    if (!file.read(words, begin + page * (uint64_t{part} * pages >> 32))) return {};
    uint64_t any = 0;
    for (const uint64_t word : words) any |= word;
    ++sample.looked;
    sample.found += any != 0;
  }
  return sample;
}

}  // namespace

PageSample sample_residency(const void* begin, Bytes size) {
  const size_t page = page_size().count();
  const size_t first = reinterpret_cast<uintptr_t>(begin) / page;
  const size_t pages = size.count() / page;
  if (pages < kPages) return {};
  const OwnFile file("/proc/self/pagemap");
  const size_t stretches = pages / kPages < kStretches ? pages / kPages : kStretches;
  PageSample sample;
  for (size_t i = 0; i < stretches; ++i) {
    uint64_t words[kPages];
    const size_t at = stretches == 1 ? 0 : (pages - kPages) * i / (stretches - 1);
    if (!file.read(words, (first + at) * sizeof *words)) return {};
    sample.looked += kPages;
    for (const uint64_t word : words) {
      sample.found += (word & (kPresent | kSwappedOut)) != 0;
      sample.swapped += (word & kSwappedOut) != 0;
    }
  }
  return sample;
}

PageSample sample_contents(const void* begin, Bytes size) {
  const size_t page = page_size().count();
  const size_t pages = size.count() / page;
  if (pages < kReadPages || !g_look.try_lock()) return {};
  const PageSample sample = read_pages(reinterpret_cast<uintptr_t>(begin), pages, page);
  g_look.unlock();
  return sample;
}

Lock& look_lock() { return g_look; }

}  // namespace hakmem::os
