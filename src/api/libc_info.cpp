// What libc's malloc tells about itself: mallinfo, malloc_info, malloc_stats, malloc_trim, mallopt.
// libc's own versions would describe its own heap, which is empty.
#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "base/text.h"
#include "os/process.h"
#include "heap/heap.h"
#include "observe/counters.h"
#include "observe/snapshot.h"

#define HAK_EXPORT extern "C" [[gnu::visibility("default")]]

namespace {

using hakmem::Bytes;
using hakmem::HeapSnapshot;

// glibc's fields, filled with what they mean to a reader. Of blocks up to 2 MiB: arena is what was taken from the
// system, uordblks what the program holds, fordblks what is free. Huge blocks are glibc's mapped ones: hblkhd, which
// has freed ones that are retained, too, and is no part of the others.
struct mallinfo2 info_from(const HeapSnapshot& heap) {
  struct mallinfo2 info {};
  const size_t slots = (heap.pool.stats.active_slots + heap.pool.stats.empty_slots) << hakmem::kSlotShift;
  const size_t small_live = (heap.live - heap.huge.live).count();
  info.arena = slots;
  info.ordblks = 0;
  for (const hakmem::ClassSnapshot& c : heap.classes) info.ordblks += c.free_blocks;
  info.hblks = heap.huge.blocks;
  info.hblkhd = (heap.huge.live + heap.huge.retained).count();
  info.uordblks = small_live;
  info.fordblks = slots > small_live ? slots - small_live : 0;
  info.keepcost = (Bytes(heap.pool.stats.empty_slots << hakmem::kSlotShift) + heap.huge.retained).count();
  return info;
}

int clamp(size_t value) { return value > INT32_MAX ? INT32_MAX : static_cast<int>(value); }

void write_line(const char* name, uint64_t bytes) {
  hakmem::LineWriter line;
  line.append(name).append_decimal(bytes).end_line();
  hakmem::os::write_stderr(line.data(), line.size());
}

// An element of ours behind glibc's: who reads glibc's passes over it.
void print_counters(FILE* out) {
  hakmem::CounterValues read;
  hakmem::read_counters(&read);
  fputs("<counters>\n", out);
  for (uint32_t i = 0; i < hakmem::kCounters; ++i) {
    const hakmem::CounterInfo& info = hakmem::counter_info(i);
    fprintf(out, "  <counter name=\"%s\" unit=\"%s\" value=\"%zu\"/>\n", info.name, info.unit,
            size_t{read.values[i]});
  }
  fputs("</counters>\n", out);
}

// malloc_stats in two halves, one after the other on the stack of a thread that may have little.
[[gnu::noinline]] void write_memory() {
  HeapSnapshot heap;
  hakmem::take_snapshot(&heap);
  write_line("hakmem: system bytes   = ", heap.footprint().count());
  write_line("hakmem: in use bytes   = ", heap.live.count());
  write_line("hakmem: cached bytes   = ", heap.cached.count());
  write_line("hakmem: free in slabs  = ", heap.free_in_slabs.count());
  write_line("hakmem: empty bytes    = ", heap.pool.stats.empty_slots << hakmem::kSlotShift);
  write_line("hakmem: metadata bytes = ", heap.meta.in_use.count());
  write_line("hakmem: huge blocks    = ", heap.huge.blocks);
  write_line("hakmem: thread caches  = ", heap.caches);
}

// Those that counted something; a name says what, hakmem.h's hak_counters() says more.
[[gnu::noinline]] void write_counters() {
  hakmem::CounterValues read;
  hakmem::read_counters(&read);
  for (uint32_t i = 0; i < hakmem::kCounters; ++i) {
    if (read.values[i] == 0) continue;
    hakmem::LineWriter line;
    line.append("hakmem: ").append(hakmem::counter_info(i).name).append(" = ");
    line.append_decimal(read.values[i]).append(" ").append(hakmem::counter_info(i).unit).end_line();
    hakmem::os::write_stderr(line.data(), line.size());
  }
}

}  // namespace

HAK_EXPORT struct mallinfo2 mallinfo2(void) noexcept {
  HeapSnapshot heap;
  hakmem::take_snapshot(&heap);
  return info_from(heap);
}

HAK_EXPORT struct mallinfo mallinfo(void) noexcept {
  const struct mallinfo2 wide = mallinfo2();
  struct mallinfo info {};
  info.arena = clamp(wide.arena);
  info.ordblks = clamp(wide.ordblks);
  info.hblks = clamp(wide.hblks);
  info.hblkhd = clamp(wide.hblkhd);
  info.uordblks = clamp(wide.uordblks);
  info.fordblks = clamp(wide.fordblks);
  info.keepcost = clamp(wide.keepcost);
  return info;
}

// The padding that glibc would leave at the top has no meaning here.
HAK_EXPORT int malloc_trim(size_t) noexcept { return hakmem::heap::trim() ? 1 : 0; }

// glibc's shape, so that its readers can read it: one heap, one <size> for each class in use. No box keeps a maximum,
// so `system type="max"`, which readers expect, is the current size again.
HAK_EXPORT int malloc_info(int options, FILE* out) noexcept {
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  HeapSnapshot heap;
  hakmem::take_snapshot(&heap);
  fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n", out);
  uint64_t free_blocks = 0;
  for (uint32_t i = 0; i < hakmem::kClasses; ++i) {
    const hakmem::ClassSnapshot& c = heap.classes[i];
    if (c.free_blocks == 0) continue;
    const size_t to = hakmem::class_block_bytes(i);
    const size_t from = i == 0 ? 1 : hakmem::class_block_bytes(i - 1) + 1;
    fprintf(out, "  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n", from, to,
            to * c.free_blocks, size_t{c.free_blocks});
    free_blocks += c.free_blocks;
  }
  const size_t system = heap.footprint().count();
  fprintf(out, "</sizes>\n<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n", heap.cached.count());
  fprintf(out, "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n", size_t{free_blocks},
          heap.free_in_slabs.count());
  fprintf(out, "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n",
          system, system);
  fprintf(out, "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n",
          heap.committed.count(), heap.committed.count());
  fputs("</heap>\n", out);
  fprintf(out, "<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n", heap.cached.count());
  fprintf(out, "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n", size_t{free_blocks},
          heap.free_in_slabs.count());
  fprintf(out, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n", size_t{heap.huge.blocks},
          heap.huge.live.count());
  fprintf(out, "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n",
          system, system);
  fprintf(out, "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n",
          heap.committed.count(), heap.committed.count());
  print_counters(out);
  fputs("</malloc>\n", out);
  return 0;
}

HAK_EXPORT void malloc_stats(void) noexcept {
  write_memory();
  write_counters();
}

// Nothing to turn here: decay and budgets are options. What glibc knows is accepted, so that
// programs which tune glibc do not take it for an error.
HAK_EXPORT int mallopt(int parameter, int value) noexcept {
  switch (parameter) {
    case M_MXFAST:
      return value >= 0 && value <= static_cast<int>(80 * sizeof(size_t) / 4) ? 1 : 0;
    case M_NLBLKS:
    case M_GRAIN:
    case M_KEEP:
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
      return 1;
    default:
      return 0;
  }
}
