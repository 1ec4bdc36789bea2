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

// Of `count` places from 0 to `last`, evenly spread.
size_t place(size_t i, size_t count, size_t last) { return count == 1 ? 0 : last * i / (count - 1); }

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
    if (!file.read(words, (first + place(i, stretches, pages - kPages)) * sizeof *words)) return {};
    sample.looked += kPages;
    for (const uint64_t word : words) sample.found += (word & (kPresent | kSwappedOut)) != 0;
  }
  return sample;
}

PageSample sample_contents(const void* begin, Bytes size) {
  const size_t page = page_size().count();
  const size_t pages = size.count() / page;
  if (pages < kReadPages) return {};
  const OwnFile file("/proc/self/mem");
  PageSample sample;
  for (size_t i = 0; i < kReadPages; ++i) {
    uint64_t words[8];
    if (!file.read(words, reinterpret_cast<uintptr_t>(begin) + page * place(i, kReadPages, pages - 1))) return {};
    uint64_t any = 0;
    for (const uint64_t word : words) any |= word;
    ++sample.looked;
    sample.found += any != 0;
  }
  return sample;
}

}  // namespace hakmem::os
