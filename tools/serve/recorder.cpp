#include "recorder.h"

#include <time.h>

#include <algorithm>
#include <sstream>

#include "../live/failure.h"

namespace hakmem::tools {
namespace {

// Of the time the map may take.
constexpr std::uint64_t kMapShare = 20;
// How long slow paths are timed for: asked again with each sample, it does not end before; left alone, it soon does.
constexpr std::uint32_t kWatchMs = 5 * kSampleMs;
// What the time lines draw besides the ledger.
constexpr const char* kSeries[] = {"active_slots", "empty_slots", "unused_slots", "purged_slots", "refills", "flushes",
                                   "messages_sent", "pool_acquires", "pool_releases", "pool_grows", "shared_fail"};

std::uint64_t clock_ms(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

std::string series_of(const Reading& reading, std::uint64_t time_ms) {
  nlohmann::ordered_json out{{"t", time_ms}, {"rss", reading.ledger.rss}, {"age", reading.page.age_ms}};
  out["written"] = reading.page.total("written_ms");
  for (const LedgerRow& row : reading.ledger.rows) out["ledger"].push_back(row.bytes);
  for (const char* name : kSeries) out[name] = reading.page.total(name);
  return out.dump();
}

// When the process began, in clock ticks since the machine did: with the pid, this is the process. 0: there is none.
std::uint64_t begin_of(int pid) {
  const std::string text = read_text("/proc/" + std::to_string(pid) + "/stat").value_or("");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string state;
  std::string skipped;
  std::uint64_t begin = 0;
  fields >> state;
  if (state == "Z" || state == "X") return 0;
  for (int i = 0; i < 18; ++i) fields >> skipped;
  return fields >> begin ? begin : 0;
}

}  // namespace

std::uint64_t unix_ms() { return clock_ms(CLOCK_REALTIME); }

Recorder::Recorder(int pid, Latency latency)
    : pid_(pid), latency_(latency), started_ms_(unix_ms()), begin_ticks_(begin_of(pid)) {
  take_sample();
  take_map();
}

bool Recorder::is_another_process() const { return begin_of(pid_) != begin_ticks_; }

void Recorder::take_sample() {
  // No time to wait for an answer: the next sample has it.
  if (latency_ == Latency::kTimed) ask_page(pid_, Request::kLatency, 0, kWatchMs);
  last_ = take_reading(pid_, 0);
  const std::uint64_t now = unix_ms();
  samples_.push_back(Sample{now, series_of(last_, now), stat_json(last_).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)});
  while (samples_.front().time_ms + kSpanMs < now) samples_.pop_front();
}

void Recorder::take_map() {
  const std::uint64_t before = clock_ms(CLOCK_MONOTONIC);
  try {
    film_.add(frame_of(read_heap_map(pid_, last_.page), last_.page, samples_.back().time_ms));
    map_trouble_.clear();
  } catch (const Failure& failure) {
    map_trouble_ = failure.what();
  }
  const std::uint64_t after = clock_ms(CLOCK_MONOTONIC);
  next_map_ms_ = after + std::max(kSampleMs / 2, (after - before) * kMapShare);
}

int Recorder::tick() {
  if (ended_ms_ != 0) return static_cast<int>(kSampleMs);
  const std::uint64_t now = clock_ms(CLOCK_MONOTONIC);
  if (now >= next_sample_ms_) {
    next_sample_ms_ = now + kSampleMs;
    if (is_another_process()) {
      ended_ms_ = unix_ms();
      return static_cast<int>(kSampleMs);
    }
    try {
      take_sample();
      trouble_.clear();
      if (now >= next_map_ms_) take_map();
    } catch (const Failure& failure) {
      if (is_another_process()) {
        ended_ms_ = unix_ms();
      } else {
        trouble_ = failure.what();
      }
    }
  }
  const std::uint64_t then = clock_ms(CLOCK_MONOTONIC);
  return then >= next_sample_ms_ ? 0 : static_cast<int>(next_sample_ms_ - then);
}

const Sample& Recorder::sample_at(std::uint64_t time_ms) const {
  const auto after = std::find_if(samples_.begin(), samples_.end(), [time_ms](const Sample& s) { return s.time_ms > time_ms; });
  return after == samples_.begin() ? *after : *(after - 1);
}

}  // namespace hakmem::tools
