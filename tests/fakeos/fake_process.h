// fakeos/fake_process.h: os/process with a clock, a page size and a limit that a test sets.
#pragma once

#include "base/units.h"

namespace hakmem::fakeos {

// Time stands still but for this.
void advance_clock(Milliseconds passed);
void advance_clock_us(uint64_t microseconds);

// From then on os::page_size() says so; the kernel's own pages must divide it.
void set_page_size(Bytes size);

}  // namespace hakmem::fakeos
