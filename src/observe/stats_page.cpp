#include "observe/stats_page.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "os/latency.h"
#include "os/process.h"
#include "os/pages.h"
#include "os/sandbox.h"
#include "os/shared_page.h"
#include "config/config.h"
#include "pool/shared_pool.h"
#include "heap/after_tick.h"
#include "heap/upkeep.h"
#include "profile/profiler.h"
#include "observe/counters.h"
#include "observe/page_figures.h"
#include "observe/page_format.h"
#include "observe/page_layout.h"
#include "observe/page_text.h"

namespace hakmem {

namespace {

constexpr size_t kHeapMin = size_t{1} << 20;
// A program that loads what it needs and then waits shall not leave figures from before.
constexpr size_t kChangeMin = size_t{1} << 20;
constexpr size_t kChangeShare = 16;
constexpr uint64_t kIntervalMin = 100;
constexpr uint64_t kIntervalUnwatched = 1000;
// After a request somebody is taken to be looking.
constexpr uint64_t kWatchedMs = 5000;
constexpr uint64_t kLatencyMsMax = 3'600'000;
// A write may take a hundredth of the time until the next.
constexpr uint64_t kTimeShare = 100;

class StatsPage {
 public:
  constexpr StatsPage() = default;

  // sync: page turn. The number of the process in which a thread writes; 0: nobody does. In the child of
  // fork that thread is gone, and the number says so.
  bool enter(uint32_t process) {
    uint32_t writer = turn_.load(std::memory_order_relaxed);
    if (writer == process) return false;
    return turn_.compare_exchange_strong(writer, process, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void leave() { turn_.store(0, std::memory_order_release); }

  // relaxed: hints that spare most ticks the system call.
  bool is_due(uint64_t now) const {
    if (now < not_before_ms_.load(std::memory_order_relaxed)) return false;
    if (now >= due_ms_.load(std::memory_order_relaxed)) return true;
    // acquire: the page was made complete before it is seen.
    const PageHeader* header = header_.load(std::memory_order_acquire);
    return header != nullptr && (asked(*header) || has_changed());
  }

  void write(uint64_t now, uint32_t process);
  const char* path() const {
    return header_.load(std::memory_order_acquire) == nullptr ? nullptr : file_.path;
  }

 private:
  static bool asked(const PageHeader& header) {
    return header.request.load(std::memory_order_relaxed) !=
           header.answered.load(std::memory_order_relaxed);
  }

  bool has_changed() const {
    const size_t before = in_use_.load(std::memory_order_relaxed);
    const size_t in_use = pool().used().count();
    const size_t change = in_use > before ? in_use - before : before - in_use;
    return change > before / kChangeShare + kChangeMin;
  }

  bool make(uint64_t now, uint32_t process);
  PageHeader* describe(uint32_t process);
  void forget();
  void note(PageEvent event, uint64_t amount, uint64_t now);
  void note_changes(const PageTotals& totals, uint64_t now);
  void answer_latency(const PageHeader& header, uint64_t request, uint64_t now);
  void publish(uint64_t now, uint64_t request);
  PageWord* words_at(size_t offset) const {
    return reinterpret_cast<PageWord*>(static_cast<char*>(file_.address) + offset);
  }
  void store(size_t offset, const void* values, size_t bytes) const;

  std::atomic<uint32_t> turn_{0};
  // sync: page time. Monotonic milliseconds; nothing else is decided by them.
  std::atomic<uint64_t> not_before_ms_{0};
  std::atomic<uint64_t> due_ms_{0};
  std::atomic<size_t> in_use_{0};  // when the page was written last
  // sync: page. Released when the page is complete, nullptr again only in the child of fork.
  std::atomic<PageHeader*> header_{nullptr};
  // Below: whoever has the turn.
  uint32_t process_ = 0;       // that made the page, or was refused one
  bool seen_ = false;          // a tick has been seen in this process
  os::SharedPage file_;
  PageMap map_{};
  PageTotals totals_{};        // as written last
  PageFigures figures_{};      // here, because stacks of threads may be small
  CounterValues counters_{};
  uint64_t events_ = 0;
  uint64_t watched_until_ms_ = 0;
  uint64_t latency_until_ms_ = 0;
};

constinit StatsPage g_stats_page;

// Only values that changed: most of the page stays as it is, and clean.
void StatsPage::store(size_t offset, const void* values, size_t bytes) const {
  PageWord* words = words_at(offset);
  for (size_t i = 0; i < bytes / sizeof(uint64_t); ++i) {
    uint64_t value;
    memcpy(&value, static_cast<const char*>(values) + i * sizeof(value), sizeof(value));
    // relaxed: between the two stores of the sequence number.
    if (words[i].load(std::memory_order_relaxed) != value) {
      words[i].store(value, std::memory_order_relaxed);
    }
  }
}

// What stays as it is. Its tables leave the stack again before the page is written the first time.
[[gnu::noinline]] PageHeader* StatsPage::describe(uint32_t process) {
  PageHeader* header = static_cast<PageHeader*>(file_.address);
  char* text = static_cast<char*>(file_.address) + sizeof(PageHeader);
  CHECK(describe_page(text, sizeof(PageHeader), &map_));
  header->version = kPageVersion;
  header->page_bytes = kStatsPageBytes;
  header->text_offset = sizeof(PageHeader);
  header->text_bytes = static_cast<uint32_t>(map_.text_bytes);
  header->process_id = process;
  header->pid_namespace = file_.pid_namespace;
  uint64_t options[64];
  store(map_.options, options, option_values(options) * sizeof(uint64_t));
  const PageLayout layout = page_layout();
  store(map_.layout, &layout, sizeof(layout));
  return header;
}

bool StatsPage::make(uint64_t now, uint32_t process) {
  process_ = process;
  if (os::is_secure_process() || os::is_sandboxed()) return false;
  const Bytes size{round_up(kStatsPageBytes, os::page_size().count())};
  file_ = os::create_shared_page(size);
  if (file_.address == nullptr) return false;
  PageHeader* header = describe(process);
  totals_ = PageTotals{};
  totals_.created_ms = now;
  events_ = 0;
  publish(now, 0);
  header->magic = kPageMagic;  // a reader that comes earlier finds no page
  header_.store(header, std::memory_order_release);
  return true;
}

// The parent's page is mapped in its child as well.
void StatsPage::forget() {
  header_.store(nullptr, std::memory_order_release);
  if (file_.address != nullptr) {
    os::unmap(file_.address, Bytes(round_up(kStatsPageBytes, os::page_size().count())));
  }
  file_ = os::SharedPage{};
  process_ = 0;
  latency_until_ms_ = 0;
  os::watch_latency(false);
}

void StatsPage::note(PageEvent event, uint64_t amount, uint64_t now) {
  const uint64_t row[kPageEventColumns] = {++events_, now, static_cast<uint64_t>(event), amount};
  store(map_.events + (events_ - 1) % kPageEvents * sizeof(row), row, sizeof(row));
}

// Events are seen as changes, so that no other box has to report any.
void StatsPage::note_changes(const PageTotals& totals, uint64_t now) {
  if (totals_.writes == 0) return;
  const auto rise = [this, now](PageEvent event, uint64_t before, uint64_t after, uint64_t unit) {
    if (after > before) note(event, (after - before) * unit, now);
  };
  rise(PageEvent::kGrowth, totals_.committed_bytes, totals.committed_bytes, 1);
  rise(PageEvent::kPurge, totals_.purged_slots, totals.purged_slots, kSlotBytes.count());
  rise(PageEvent::kPurge, totals_.hole_purged_bytes, totals.hole_purged_bytes, 1);
  rise(PageEvent::kPurgeRefused, totals_.purge_refusals, totals.purge_refusals, 1);
  rise(PageEvent::kSharedFail, totals_.shared_fail, totals.shared_fail, 1);
  rise(PageEvent::kMismatch, totals_.sized_mismatches, totals.sized_mismatches, 1);
}

// Whatever the argument is, the worst is many samples: each counts as a slow path, so ticks come, and one can end it.
void answer_profile(const PageHeader& header, uint64_t request) {
  if ((request & kRequestProfile) != 0) {
    // relaxed: the acquire of the request was before.
    profiler().start(Bytes(header.argument.load(std::memory_order_relaxed)));
    if (profiler().rate() != Bytes(0)) profiler().make_file();
  }
  if ((request & kRequestNoProfile) != 0) profiler().stop();
}

// It ends by itself, so that nobody has to live to end it; without slow paths there is nothing to end.
void StatsPage::answer_latency(const PageHeader& header, uint64_t request, uint64_t now) {
  // A watch whose end no write has come by is over: the next one begins with a longest of its own.
  if (now >= latency_until_ms_) os::watch_latency(false);
  if ((request & kRequestLatency) != 0) {
    // relaxed: as for a profile.
    const uint64_t wanted = header.argument.load(std::memory_order_relaxed);
    const uint64_t until = now + (wanted < kLatencyMsMax ? wanted : kLatencyMsMax);
    if (until > latency_until_ms_) latency_until_ms_ = until;
  }
  os::watch_latency(now < latency_until_ms_);
}

void StatsPage::publish(uint64_t now, uint64_t request) {
  const bool is_purge = (request & kRequestPurge) != 0;
  const uint64_t purged = is_purge ? upkeep::everything().count() : 0;
  const uint64_t begin_us = os::now_microseconds();
  PageHeader* header = static_cast<PageHeader*>(file_.address);
  answer_profile(*header, request);
  answer_latency(*header, request, now);
  measure(&figures_);
  read_counters(&counters_);
  in_use_.store(pool().used().count(), std::memory_order_relaxed);
  PageTotals& totals = figures_.totals;
  totals.created_ms = totals_.created_ms;
  totals.written_ms = now;
  totals.writes = totals_.writes + 1;
  totals.write_us = totals_.write_us;
  // sync: sequence. Odd while the tables change. The fence keeps what follows behind the first store, the
  // release what came before it ahead of the second.
  const uint64_t sequence = header->sequence.load(std::memory_order_relaxed);
  header->sequence.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  if (is_purge) note(PageEvent::kRequestedPurge, purged, now);
  note_changes(totals, now);
  store(map_.totals, &totals, sizeof(totals));
  store(map_.counters, counters_.values, sizeof(counters_.values));
  store(map_.classes, figures_.classes, sizeof(figures_.classes));
  store(map_.latencies, &figures_.latencies, sizeof(figures_.latencies));
  header->sequence.store(sequence + 2, std::memory_order_release);
  totals_ = totals;
  const uint64_t took_us = os::now_microseconds() - begin_us;
  totals_.write_us = took_us;
  const uint64_t rest = took_us * kTimeShare / 1000;
  const uint64_t pause = rest > kIntervalMin ? rest : kIntervalMin;
  not_before_ms_.store(now + pause, std::memory_order_relaxed);
  const bool watched = now < watched_until_ms_ || pause > kIntervalUnwatched;
  due_ms_.store(now + (watched ? pause : kIntervalUnwatched), std::memory_order_relaxed);
}

void StatsPage::write(uint64_t now, uint32_t process) {
  if (process_ != process) {
    if (process_ != 0) {
      forget();
      seen_ = false;
    }
    // What lives no longer than this is not worth a file.
    if (!seen_) {
      seen_ = true;
      not_before_ms_.store(now + kIntervalMin, std::memory_order_relaxed);
      return;
    }
    not_before_ms_.store(now + kIntervalMin, std::memory_order_relaxed);
    if (pool().used().count() >= kHeapMin && !make(now, process)) {
      not_before_ms_.store(now + kIntervalUnwatched, std::memory_order_relaxed);
    }
    return;
  }
  PageHeader* header = header_.load(std::memory_order_relaxed);
  if (header == nullptr) {  // refused once, which would be so again; a child of fork asks again
    not_before_ms_.store(now + kIntervalUnwatched, std::memory_order_relaxed);
    return;
  }
  // sync: request. acquire: its argument was written before it.
  const uint64_t request = header->request.load(std::memory_order_acquire);
  const bool is_new = request != header->answered.load(std::memory_order_relaxed);
  if (is_new) watched_until_ms_ = now + kWatchedMs;
  publish(now, is_new ? request : 0);
  // release: who sees the answer sees the figures.
  if (is_new) header->answered.store(request, std::memory_order_release);
}

}  // namespace

void after_tick(Milliseconds now) {
  // It names addresses of the heap.
  if constexpr (kHardened) return;
  if (!config().stats || !g_stats_page.is_due(now.count())) return;
  // Not even to ask whether this is the process whose page it is: what it showed last stays.
  if (os::has_entered_sandbox()) return;
  const uint32_t process = static_cast<uint32_t>(os::process_id());
  if (!g_stats_page.enter(process)) return;
  g_stats_page.write(now.count(), process);
  g_stats_page.leave();
}

const char* stats_page_path() { return g_stats_page.path(); }

}  // namespace hakmem
