#include "os/huge_pages.h"

#include <atomic>

#include "base/text.h"
#include "os/line_reader.h"
#include "os/sandbox.h"

namespace hakmem::os {

namespace {

enum Answer : uint32_t { kUnasked, kNo, kYes };

// relaxed: whoever asks at the same time reads the same.
constinit std::atomic<uint32_t> g_answer{kUnasked};

// "[always] madvise never"
Answer read_answer() {
  if (is_sandboxed()) return kNo;
  LineReader reader("/sys/kernel/mm/transparent_hugepage/enabled");
  TextView line;
  return reader.next(&line) && starts_with(line, "[always]") ? kYes : kNo;
}

}  // namespace

bool has_huge_pages_everywhere() {
  uint32_t answer = g_answer.load(std::memory_order_relaxed);
  if (answer == kUnasked) g_answer.store(answer = read_answer(), std::memory_order_relaxed);
  return answer == kYes;
}

}  // namespace hakmem::os
