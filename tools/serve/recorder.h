// tools/serve/recorder.h: the last ten minutes of a process.
//
// Responsibility  Take a reading of a process each second, and the heap map beside it; keep both.
// Contract        Bounded: kSpanMs, and kFilmBytesMax for the maps. The map is read less often when reading it takes
//                 longer than a twentieth of the time. The end of the process is noticed, also when its number is given
//                 to another one; everything kept stays readable.
// Observable      samples(), film(), state().
// Composable      stat, heap_map, map_film. Used by serve.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "../live/stat.h"
#include "map_film.h"

namespace hakmem::tools {

inline constexpr std::uint64_t kSpanMs = 600'000;
inline constexpr std::uint64_t kSampleMs = 1000;
inline constexpr std::size_t kFilmBytesMax = std::size_t{64} << 20;

struct Sample {
  std::uint64_t time_ms = 0;  // since 1970
  std::string series;         // what the time lines show of it, as JSON
  std::string document;       // `hakmem stat --json`
};

class Recorder {
 public:
  // Has the process time its slow paths as long as there are readings.
  enum class Latency : bool { kNotTimed, kTimed };

  // The first reading: why there is none is a Failure.
  Recorder(int pid, Latency latency);

  // Takes what is due. Milliseconds until something is due again.
  int tick();

  const std::deque<Sample>& samples() const { return samples_; }
  // The last sample that is not after `time_ms`, or the first.
  const Sample& sample_at(std::uint64_t time_ms) const;
  const MapFilm& film() const { return film_; }
  const Reading& last() const { return last_; }
  std::uint64_t first_time_ms() const { return started_ms_; }
  // 0 while it runs.
  std::uint64_t ended_ms() const { return ended_ms_; }
  // Why there are no new figures, or no map; "" when there are.
  const std::string& trouble() const { return trouble_; }
  const std::string& map_trouble() const { return map_trouble_; }

 private:
  void take_sample();
  void take_map();
  bool is_another_process() const;

  int pid_;
  Latency latency_;
  std::uint64_t started_ms_ = 0;
  std::uint64_t begin_ticks_ = 0;
  std::uint64_t ended_ms_ = 0;
  std::uint64_t next_sample_ms_ = 0;
  std::uint64_t next_map_ms_ = 0;
  std::string trouble_;
  std::string map_trouble_;
  Reading last_;
  std::deque<Sample> samples_;
  MapFilm film_{kSpanMs, kFilmBytesMax};
};

std::uint64_t unix_ms();

}  // namespace hakmem::tools
