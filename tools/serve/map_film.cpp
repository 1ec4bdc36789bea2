#include "map_film.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace hakmem::tools {
namespace {

// So that no moment is put together from more than this.
constexpr std::size_t kDifferencesMax = 30;

void add_word(std::string* out, std::uint32_t word) {
  for (int shift = 0; shift < 32; shift += 8) *out += static_cast<char>(word >> shift & 0xff);
}

std::uint32_t seconds_of(const HeapMap& map, std::uint32_t time) {
  return static_cast<std::uint32_t>(time * map.clock_ms / 1000);
}

Cell cell_of(const HeapMap& map, const SlotView& slot, const std::map<std::uint32_t, std::size_t>& rows) {
  Cell cell;
  cell.kind = static_cast<std::uint8_t>(slot.kind);
  if (slot.kind != SlotKind::kSlab) return cell;
  const auto row = rows.find(slot.block_bytes);
  cell.size_class = row == rows.end() ? 0 : static_cast<std::uint8_t>(row->second);
  cell.taken = static_cast<std::uint16_t>(slot.blocks - slot.free_blocks);
  cell.owner = slot.owner;
  cell.born_s = seconds_of(map, slot.born);
  return cell;
}

}  // namespace

MapFrame frame_of(const HeapMap& map, const StatsPage& page, std::uint64_t time_ms) {
  const Table& classes = page.table("classes");
  MapFrame frame;
  frame.time_ms = time_ms;
  frame.never_opened = map.never_opened;
  frame.now_s = seconds_of(map, map.now);
  std::map<std::uint32_t, std::size_t> rows;
  for (std::size_t row = 0; row < std::min<std::size_t>(classes.rows, 256); ++row) {
    const auto block = static_cast<std::uint32_t>(classes.at(row, "block_bytes"));
    rows.emplace(block, row);
    frame.classes.emplace_back(block, 0);
  }
  frame.superslabs.reserve(map.superslabs.size());
  frame.cells.reserve(map.superslabs.size() * 32);
  for (const SuperSlabView& super : map.superslabs) {
    frame.superslabs.emplace_back(super.reservation, static_cast<std::uint32_t>(super.number));
    Cell head;
    for (const SlotView& slot : super.slots) {
      Cell cell = cell_of(map, slot, rows);
      if (slot.kind == SlotKind::kSlab) {
        head = cell;
        if (cell.size_class < frame.classes.size()) frame.classes[cell.size_class].second = slot.blocks;
      } else if (slot.kind == SlotKind::kTail) {
        cell = head;
        cell.kind = static_cast<std::uint8_t>(SlotKind::kTail);
      }
      frame.cells.push_back(cell);
    }
  }
  return frame;
}

std::string bytes_of(const MapFrame& frame) {
  std::string out;
  out.reserve(16 + (frame.classes.size() + frame.superslabs.size() + frame.cells.size()) * sizeof(Cell));
  add_word(&out, static_cast<std::uint32_t>(frame.superslabs.size()));
  add_word(&out, static_cast<std::uint32_t>(frame.classes.size()));
  add_word(&out, static_cast<std::uint32_t>(frame.never_opened));
  add_word(&out, frame.now_s);
  for (const auto* list : {&frame.classes, &frame.superslabs}) {
    for (const auto& [first, second] : *list) {
      add_word(&out, first);
      add_word(&out, second);
    }
  }
  for (const Cell& cell : frame.cells) {
    add_word(&out, cell.kind | std::uint32_t{cell.size_class} << 8 | std::uint32_t{cell.taken} << 16);
    add_word(&out, cell.owner);
    add_word(&out, cell.born_s);
  }
  return out;
}

std::size_t MapFilm::Entry::bytes() const {
  return sizeof(Entry) + frame.cells.size() * sizeof(Cell) + changes.size() * sizeof(changes[0]) +
         (frame.superslabs.size() + frame.classes.size()) * 8;
}

void MapFilm::add(MapFrame frame) {
  Entry entry;
  const bool comparable = !entries_.empty() && since_whole_ < kDifferencesMax && frame.superslabs == last_.superslabs;
  if (comparable) {
    for (std::size_t i = 0; i < frame.cells.size(); ++i) {
      if (!(frame.cells[i] == last_.cells[i])) entry.changes.emplace_back(static_cast<std::uint32_t>(i), frame.cells[i]);
    }
  }
  entry.is_whole = !comparable || entry.changes.size() * sizeof(entry.changes[0]) >= frame.cells.size() * sizeof(Cell);
  if (entry.is_whole) {
    entry.changes.clear();
    entry.frame = frame;
    since_whole_ = 0;
  } else {
    entry.frame.time_ms = frame.time_ms;
    entry.frame.never_opened = frame.never_opened;
    entry.frame.now_s = frame.now_s;
    entry.frame.classes = frame.classes;
    ++since_whole_;
  }
  entry.changes.shrink_to_fit();
  bytes_ += entry.bytes();
  last_ = std::move(frame);
  entries_.push_back(std::move(entry));
  while (entries_.size() > 1 && (bytes_ > bytes_max_ || entries_.front().frame.time_ms + span_ms_ < last_.time_ms)) forget_first();
}

// With the differences that need it; the last frame can always be made whole.
void MapFilm::forget_first() {
  do {
    bytes_ -= entries_.front().bytes();
    entries_.pop_front();
  } while (!entries_.empty() && !entries_.front().is_whole);
  if (!entries_.empty()) return;
  Entry entry;
  entry.frame = last_;
  since_whole_ = 0;
  bytes_ += entry.bytes();
  entries_.push_back(std::move(entry));
}

std::optional<MapFrame> MapFilm::at(std::uint64_t time_ms) const {
  if (entries_.empty()) return std::nullopt;
  std::size_t end = 1;
  while (end < entries_.size() && entries_[end].frame.time_ms <= time_ms) ++end;
  std::size_t start = end - 1;
  while (!entries_[start].is_whole) --start;
  MapFrame frame = entries_[start].frame;
  for (std::size_t i = start + 1; i < end; ++i) {
    const Entry& entry = entries_[i];
    for (const auto& [index, cell] : entry.changes) frame.cells[index] = cell;
    frame.time_ms = entry.frame.time_ms;
    frame.never_opened = entry.frame.never_opened;
    frame.now_s = entry.frame.now_s;
    frame.classes = entry.frame.classes;
  }
  return frame;
}

}  // namespace hakmem::tools
