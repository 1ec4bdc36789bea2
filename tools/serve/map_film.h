// tools/serve/map_film.h: how the heap map looked during the last minutes.
//
// Responsibility  Keep heap maps in little memory, and give back the one of any moment.
// Contract        A frame is kept whole, or as what differs from the frame before it. The oldest frames go when the
//                 film is longer than `span_ms` or takes more than `bytes_max`; the newest always stays.
// Observable      bytes().
// Composable      heap_map. Used by recorder.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../live/heap_map.h"

namespace hakmem::tools {

// A slot in 12 bytes. Slots behind a slab's first repeat it, with their own kind.
struct Cell {
  std::uint8_t kind = 0;        // SlotKind
  std::uint8_t size_class = 0;  // row of the page's table `classes`
  std::uint16_t taken = 0;      // blocks
  std::uint32_t owner = 0;
  std::uint32_t born_s = 0;  // by the slab clock, in seconds
  bool operator==(const Cell& other) const {
    return kind == other.kind && size_class == other.size_class && taken == other.taken && owner == other.owner &&
           born_s == other.born_s;
  }
};

struct MapFrame {
  std::uint64_t time_ms = 0;
  std::uint64_t never_opened = 0;
  std::uint32_t now_s = 0;  // as born_s; 0: this library does not say when slabs were taken
  std::vector<std::pair<std::uint32_t, std::uint32_t>> classes;      // block bytes, blocks of a slab (0: not seen)
  std::vector<std::pair<std::uint32_t, std::uint32_t>> superslabs;  // reservation, number
  std::vector<Cell> cells;                                           // 32 for each of them
};

MapFrame frame_of(const HeapMap& map, const StatsPage& page, std::uint64_t time_ms);
// Little-endian words: SuperSlabs, classes, never opened, now; then the three lists above, a cell in three words.
std::string bytes_of(const MapFrame& frame);

class MapFilm {
 public:
  MapFilm(std::uint64_t span_ms, std::size_t bytes_max) : span_ms_(span_ms), bytes_max_(bytes_max) {}

  void add(MapFrame frame);
  // The last frame that is not after `time_ms`, or the first there is; nothing before the first one was added.
  std::optional<MapFrame> at(std::uint64_t time_ms) const;
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    MapFrame frame;  // without cells when it is a difference
    bool is_whole = true;
    std::vector<std::pair<std::uint32_t, Cell>> changes;
    std::size_t bytes() const;
  };

  void forget_first();

  std::uint64_t span_ms_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::size_t since_whole_ = 0;
  std::deque<Entry> entries_;  // the first is whole
  MapFrame last_;
};

}  // namespace hakmem::tools
