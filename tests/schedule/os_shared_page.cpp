// os/shared_page for scheduled threads: memory of this process alone, so that a seed means the same whatever
// lies in /dev/shm.
#include "os/shared_page.h"

#include <atomic>

#include "os/pages.h"
#include "os/process.h"

#include "schedule/hand_overs.h"

namespace hakmem::os {

namespace {

// relaxed: it must order nothing.
std::atomic<uint32_t> g_pages{0};
std::atomic<const void*> g_newest{nullptr};

}  // namespace

SharedPage create_shared_page(Bytes size, const char*) {
  SharedPage page;
  page.address = map(size, page_size());
  if (page.address == nullptr) return page;
  page.path[0] = '/';
  g_newest.store(page.address, std::memory_order_relaxed);
  g_pages.fetch_add(1, std::memory_order_relaxed);
  return page;
}

void remove_shared_page(const SharedPage& page, Bytes size) {
  unmap(page.address, size);
  g_pages.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace hakmem::os

uint32_t schedule::shared_pages() { return hakmem::os::g_pages.load(std::memory_order_relaxed); }
const void* schedule::newest_shared_page() { return hakmem::os::g_newest.load(std::memory_order_relaxed); }
