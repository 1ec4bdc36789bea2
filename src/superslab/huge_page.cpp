#include "superslab/huge_page.h"

#include "os/pages.h"
#include "os/process.h"
#include "os/sandbox.h"

namespace hakmem {

// A huge page is what one page of the page table maps, with eight bytes an entry.
bool superslabs_fit_huge_pages() {
  const size_t page = os::page_size().count();
  return page / 8 * page == kSuperSlabBytes.count();
}

void ask_for_huge_page(SuperSlab* super) {
  super->may_have_huge_page.store(true, std::memory_order_relaxed);
  os::advise_huge_pages(reinterpret_cast<void*>(super->base()), kSuperSlabBytes, true);
}

void end_asking_for_huge_page(const SuperSlab* super) {
  os::advise_huge_pages(reinterpret_cast<void*>(super->base()), kSuperSlabBytes, false);
}

bool purge_pages(SuperSlab* super, void* begin, Bytes size) {
  // Who loses the race purges a part of a page that is being split: the system allows that.
  const bool is_first = super->may_have_huge_page.load(std::memory_order_relaxed) &&
                        super->may_have_huge_page.exchange(false, std::memory_order_relaxed);
  if (is_first && !os::has_entered_sandbox()) {
    end_asking_for_huge_page(super);
    if (size != kSuperSlabBytes) os::split_huge_page(begin, size);
  }
  const bool purged = os::purge(begin, size);
  if (is_first && !purged) super->may_have_huge_page.store(true, std::memory_order_relaxed);
  return purged;
}

}  // namespace hakmem
