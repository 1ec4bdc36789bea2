#include "superslab/misuse.h"

#include "base/text.h"
#include "os/process.h"
#include "superslab/registry.h"

namespace hakmem {

namespace {

const char* name_of(Misuse kind) {
  switch (kind) {
    case Misuse::kDoubleFree:
      return "double-free";
    case Misuse::kInteriorFree:
      return "free of an interior pointer";
    case Misuse::kReleasedFree:
      return "free of memory that was released";
    case Misuse::kForeignFree:
      return "free of a pointer that malloc did not return";
  }
  return "misuse";
}

}  // namespace

void report_misuse(Misuse kind, const void* address) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  LineWriter line;
  line.append("==").append_decimal(static_cast<uint64_t>(os::process_id()));
  line.append("==ERROR: hakmem: ").append(name_of(kind)).append(" on address ").append_hex(at);
  const uint32_t tag = registry().tag_of(at);
  if (tag != kUnusedTag) {
    const Slab* slab = registry().slot_of(at)->head();
    const ClassIndex size_class(slab->size_class);
    line.append(" (block size ").append_decimal(block_bytes(size_class).count());
    line.append(", class ").append_decimal(size_class.count());
    line.append(", slab ").append_hex(slab->base);
    if (tag_owner(tag).count() <= kOwnerMax) {
      line.append(", owner ").append_decimal(tag_owner(tag).count());
    }
    line.append(")");
  }
  line.end_line();
  os::write_stderr(line.data(), line.size());
  os::abort_process();
}

}  // namespace hakmem
