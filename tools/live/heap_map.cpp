#include "heap_map.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

#include "failure.h"
#include "memory.h"

namespace hakmem::tools {
namespace {

constexpr std::uint64_t kReservationsMax = 4096;
constexpr std::uint64_t kCommittedMax = std::uint64_t{1} << 46;

// Offsets of the page's `layout`, by name.
class Layout {
 public:
  explicit Layout(const StatsPage& page) : table_(page.table("layout")) {}
  std::uint64_t operator[](const char* name) const { return table_.at(0, name); }

 private:
  const Table& table_;
};

template <typename T>
T at(const std::vector<char>& bytes, std::uint64_t offset) {
  T value{};
  if (offset + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

struct Records {
  std::vector<char> supers;
  std::vector<std::uint32_t> tags;
  std::uint64_t count = 0;  // SuperSlabs
};

class Reader {
 public:
  Reader(int pid, const StatsPage& page) : memory_(pid), layout_(page), classes_(page.table("classes")) {
    slots_ = layout_["slot_bytes"] == 0 ? 0 : layout_["superslab_bytes"] / layout_["slot_bytes"];
    if (slots_ != 32 || layout_["superslab_stride"] < layout_["superslab_slabs"] + slots_ * layout_["slab_stride"]) {
      throw Failure(kExitUnsupported, "process {} describes its slabs in a way this command does not know", pid);
    }
  }

  void add_reservation(std::uint32_t number, HeapMap* map) const {
    std::vector<char> record(layout_["reservation_stride"]);
    memory_.read(layout_["reservation_array"] + number * record.size(), record.data(), record.size());
    const auto committed = at<std::uint64_t>(record, layout_["reservation_committed"]);
    if (committed > kCommittedMax) return;
    Records records;
    records.count = committed / layout_["superslab_bytes"];
    records.supers.resize(records.count * layout_["superslab_stride"]);
    records.tags.resize(records.count * slots_);
    memory_.read(at<std::uint64_t>(record, layout_["reservation_supers"]), records.supers.data(), records.supers.size());
    memory_.read(at<std::uint64_t>(record, layout_["reservation_tags"]), records.tags.data(),
                 records.tags.size() * sizeof(std::uint32_t));
    for (std::uint64_t i = 0; i < records.count; ++i) {
      const std::uint64_t start = i * layout_["superslab_stride"];
      if (at<std::uint64_t>(records.supers, start + layout_["superslab_base"]) == 0) {
        ++map->never_opened;
      } else {
        const auto base = at<std::uint64_t>(records.supers, start + layout_["superslab_base"]);
        map->superslabs.push_back(SuperSlabView{number, i, base, slots_of(records, i, start)});
      }
    }
  }

 private:
  std::vector<SlotView> slots_of(const Records& records, std::uint64_t index, std::uint64_t start) const {
    std::vector<SlotView> views(slots_);
    const std::uint64_t masks = start + layout_["superslab_masks"];
    const auto unused = at<std::uint32_t>(records.supers, masks);
    const auto empty = at<std::uint32_t>(records.supers, masks + 8);
    for (std::uint64_t slot = 0; slot < slots_;) {
      SlotView& view = views[slot];
      const std::uint32_t tag = records.tags[index * slots_ + slot];
      const std::uint64_t slab = start + layout_["superslab_slabs"] + slot * layout_["slab_stride"];
      ++slot;
      if ((unused >> (slot - 1) & 1) != 0) continue;
      if ((empty >> (slot - 1) & 1) != 0) {
        view.kind = SlotKind::kEmpty;
        continue;
      }
      const std::uint32_t owner = tag >> layout_["tag_class_bits"];
      view.kind = tag == 0 ? SlotKind::kMoving : SlotKind::kHuge;
      if (tag == 0 || owner == layout_["tag_interior_owner"]) continue;
      fill(records, slab, tag, &view);
      // The slots behind the first, as far as they are there.
      for (std::uint32_t i = 1; i < view.slots && slot < slots_; ++i) views[slot++].kind = SlotKind::kTail;
    }
    return views;
  }

  void fill(const Records& records, std::uint64_t slab, std::uint32_t tag, SlotView* view) const {
    const std::uint32_t size_class = tag & ((1u << layout_["tag_class_bits"]) - 1);
    view->kind = SlotKind::kSlab;
    view->owner = tag >> layout_["tag_class_bits"];
    view->block_bytes = static_cast<std::uint32_t>(classes_.at(size_class, "block_bytes"));
    view->blocks = at<std::uint16_t>(records.supers, slab + layout_["slab_blocks"]);
    view->free_blocks = std::min(at<std::uint32_t>(records.supers, slab + layout_["slab_free_count"]), view->blocks);
    view->slots = at<std::uint8_t>(records.supers, slab + layout_["slab_slots"]);
    for (std::uint32_t i = 0; i < view->slots && layout_["page_bytes"] != 0; ++i) {
      const std::uint64_t record = slab + i * layout_["slab_stride"];
      const auto pages = at<std::uint16_t>(records.supers, record + layout_["slab_purged_pages"]);
      view->purged_bytes += static_cast<std::uint64_t>(std::popcount(pages)) * layout_["page_bytes"];
    }
    view->born = at<std::uint32_t>(records.supers, slab + layout_["slab_born"]);
  }

  Memory memory_;
  Layout layout_;
  const Table& classes_;
  std::uint64_t slots_ = 0;
};

}  // namespace

std::uint32_t HeapMap::steps_since(std::uint32_t then) const {
  // A minute, by steps of 16 ms: what is noted while the map is read is younger than `now`.
  constexpr std::uint32_t kYounger = 3750;
  const std::uint32_t steps = now - then;
  return steps > UINT32_MAX - kYounger ? 0 : steps;
}

std::uint64_t HeapMap::age_ms(const SlotView& slab) const {
  return std::uint64_t{steps_since(slab.born)} * clock_ms;
}

HeapMap read_heap_map(int pid, const StatsPage& page) {
  const Reader reader(pid, page);
  HeapMap map;
  map.clock_ms = page.table("layout").at(0, "slab_clock_ms");
  const std::uint64_t reservations = std::min(page.total("reservations"), kReservationsMax);
  for (std::uint64_t i = 0; i < reservations; ++i) reader.add_reservation(static_cast<std::uint32_t>(i), &map);
  // Afterwards, so that nothing is younger than now.
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  if (map.clock_ms != 0) map.now = static_cast<std::uint32_t>(static_cast<std::uint64_t>(now_ms) / map.clock_ms);
  return map;
}

}  // namespace hakmem::tools
