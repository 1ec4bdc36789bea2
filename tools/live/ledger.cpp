#include "ledger.h"

#include <algorithm>

namespace hakmem::tools {
namespace {

struct Resident {
  std::int64_t slots = 0;      // of the primary reservation
  std::int64_t registry = 0;   // tag map and records
  std::int64_t page = 0;
  std::int64_t files = 0;
  std::int64_t stack = 0;
  std::int64_t other = 0;      // anonymous: huge blocks, metadata, other stacks, the program's own mappings
  std::int64_t huge_pages = 0;
  std::int64_t total() const { return slots + registry + page + files + stack + other; }
};

bool lies_in(const Mapping& mapping, std::uint64_t base, std::uint64_t size) {
  return mapping.begin >= base && mapping.begin - base < size;
}

Resident sum_up(const StatsPage& page, const std::vector<Mapping>& mappings) {
  const Table& layout = page.table("layout");
  Resident sum;
  for (const Mapping& mapping : mappings) {
    const auto rss = static_cast<std::int64_t>(mapping.rss);
    if (lies_in(mapping, layout.at(0, "primary_base"), layout.at(0, "primary_size"))) {
      sum.slots += rss;
      sum.huge_pages += static_cast<std::int64_t>(mapping.huge_pages);
    } else if (lies_in(mapping, layout.at(0, "primary_metadata"), layout.at(0, "primary_metadata_bytes"))) {
      sum.registry += rss;
    } else if (mapping.path.rfind(page.path, 0) == 0) {
      sum.page += rss;
    } else if (mapping.path.rfind('/', 0) == 0) {
      sum.files += rss;
    } else if (mapping.path == "[stack]" || mapping.path == "[vdso]" || mapping.path == "[vvar]") {
      sum.stack += rss;
    } else {
      sum.other += rss;
    }
  }
  return sum;
}

// What later reservations hold is among `other`: it is moved to where it belongs, as far as it is there.
std::int64_t take(std::int64_t* from, std::int64_t wanted) {
  const std::int64_t taken = std::clamp<std::int64_t>(wanted, 0, std::max<std::int64_t>(*from, 0));
  *from -= taken;
  return taken;
}

}  // namespace

std::int64_t Ledger::of(const std::string& id) const {
  for (const LedgerRow& row : rows) {
    if (row.id == id) return row.bytes;
  }
  return 0;
}

Ledger make_ledger(const StatsPage& page, int pid) {
  const std::vector<Mapping> mappings = read_mappings(pid, Detail::kMemory);
  Resident there = sum_up(page, mappings);
  const auto figure = [&page](const char* name) { return static_cast<std::int64_t>(page.total(name)); };
  const std::int64_t rss = there.total();
  const std::int64_t metadata = take(&there.other, figure("meta_in_use_bytes"));
  const std::int64_t huge = figure("huge_live_bytes") - figure("huge_in_slots_bytes") + figure("huge_retained_bytes");
  const std::int64_t huge_there = take(&there.other, huge);
  const std::int64_t slots = figure("small_live_bytes") + figure("cached_bytes") + figure("free_bytes") +
                             figure("tail_bytes") + figure("empty_bytes") + figure("huge_in_slots_bytes");
  // Records and slots of later reservations.
  const std::int64_t records = figure("tag_map_bytes") + figure("record_bytes");
  if (figure("reservations") > 1) {
    there.slots += take(&there.other, slots - there.slots);
    there.registry += take(&there.other, records - there.registry);
  }
  const std::int64_t absent = std::max<std::int64_t>(slots - there.slots, 0) + huge - huge_there;
  Ledger ledger;
  ledger.rss = static_cast<std::uint64_t>(rss);
  ledger.huge_pages = static_cast<std::uint64_t>(there.huge_pages);
  ledger.mappings = mappings.size();
  ledger.rows = {
      {"small_live", "blocks up to 2 MiB in use, rounded to classes", figure("small_live_bytes")},
      {"huge_live", "blocks above 2 MiB in use", figure("huge_live_bytes")},
      {"free", "free blocks in slabs", figure("free_bytes")},
      {"cached", "free blocks in thread caches", figure("cached_bytes")},
      {"tail", "ends of slabs", figure("tail_bytes")},
      {"empty", "EMPTY slots, given back when they decay", figure("empty_bytes")},
      {"huge_retained", "freed huge blocks, given back when they decay", figure("huge_retained_bytes")},
      {"absent", "of all these: without pages (not written yet)", -absent},
      {"metadata", "hakmem's own: bitmaps, caches, tag map, page", metadata + there.registry + there.page},
      {"files", "not heap: program and library files", there.files},
      {"stack", "not heap: main stack", there.stack},
      {"other", "not heap: other stacks, mappings of the program", there.other},
  };
  std::int64_t explained = 0;
  for (const LedgerRow& row : ledger.rows) explained += row.bytes;
  ledger.rows.push_back({"unexplained", "unexplained", rss - explained});
  return ledger;
}

}  // namespace hakmem::tools
