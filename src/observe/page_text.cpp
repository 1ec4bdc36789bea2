#include "observe/page_text.h"

#include <string.h>

#include "base/bits.h"
#include "config/config.h"
#include "config/size_class.h"
#include "observe/counters.h"
#include "observe/page_figures.h"
#include "observe/page_format.h"
#include "observe/page_layout.h"

namespace hakmem {

namespace {

// The description is measured once without a place for it, then written.
class PageText {
 public:
  PageText(char* text, size_t capacity) : text_(text), capacity_(capacity) {}

  void line(const LineWriter& line) {
    if (text_ != nullptr && size_ + line.size() <= capacity_) {
      memcpy(text_ + size_, line.data(), line.size());
    }
    size_ += line.size();
  }

  void table(const char* name, size_t offset, size_t rows) {
    LineWriter out;
    out.append("table ").append(name).append(' ').append_decimal(offset).append(' ');
    line(out.append_decimal(rows).end_line());
  }

  void column(const char* name, const char* kind, const char* unit, const char* help) {
    LineWriter out;
    out.append("column ").append(name).append(' ').append(kind).append(' ').append(unit);
    line(out.append(' ').append(help).end_line());
  }

  void event(PageEvent event, const char* name, const char* unit, const char* help) {
    LineWriter out;
    out.append("event ").append_decimal(static_cast<uint64_t>(event)).append(' ').append(name);
    line(out.append(' ').append(unit).append(' ').append(help).end_line());
  }

  size_t size() const { return size_; }

 private:
  char* text_;
  size_t capacity_;
  size_t size_ = 0;
};

const char* unit_of(ValueType type) {
  switch (type) {
    case ValueType::boolean:
      return "switch";
    case ValueType::auto_switch:
      return "auto_switch";
    case ValueType::size:
    case ValueType::auto_size:
      return "bytes";
    case ValueType::duration:
      return "milliseconds";
    case ValueType::percent:
      return "ppm";
    case ValueType::integer:
      break;
  }
  return "count";
}

void describe_totals(PageText* out) {
#define HAKMEM_TOTAL(name, kind, unit, help) out->column(#name, #kind, #unit, help);
#include "observe/page_totals.def"
}

void describe_counters(PageText* out) {
  for (uint32_t i = 0; i < kCounters; ++i) {
    const CounterInfo& info = counter_info(i);
    out->column(info.name, "counter", info.unit, info.help);
  }
}

void describe_classes(PageText* out) {
  out->column("block_bytes", "gauge", "bytes", "size of a block");
  out->column("slab_bytes", "gauge", "bytes", "size of a slab");
  out->column("slabs", "gauge", "count", "slabs of this class");
  out->column("blocks", "gauge", "count", "blocks in them");
  out->column("free_blocks", "gauge", "count", "of them, free in slabs");
  out->column("cached_blocks", "gauge", "count", "of them, on stacks of thread caches");
}

void describe_latencies(PageText* out, size_t offset) {
  out->table("latency", offset + offsetof(PageLatencies, rows), os::kLatencyBuckets);
  out->column("below_ns", "gauge", "nanoseconds", "durations of this row, and not of the one before; the last has all longer ones");
#define HAKMEM_COLUMN(name, help) out->column(#name, "counter", "count", help);
  HAKMEM_LATENCIES(HAKMEM_COLUMN)
#undef HAKMEM_COLUMN
#define HAKMEM_COLUMN(name, help) out->column(#name, "counter", "nanoseconds", "");
  out->table("latency_total", offset + offsetof(PageLatencies, total_ns), 1);
  HAKMEM_LATENCIES(HAKMEM_COLUMN)
  out->table("latency_longest", offset + offsetof(PageLatencies, longest_ns), 1);
  HAKMEM_LATENCIES(HAKMEM_COLUMN)
#undef HAKMEM_COLUMN
}

void describe_events(PageText* out) {
  out->column("number", "counter", "count", "1 for the first event; 0 where there is none yet");
  out->column("time_ms", "gauge", "milliseconds", "monotonic clock when it was noticed");
  out->column("kind", "gauge", "event", "which");
  out->column("amount", "gauge", "any", "how much, in the event's unit");
  out->event(PageEvent::kGrowth, "growth", "bytes", "more SuperSlabs were committed");
  out->event(PageEvent::kPurge, "purge", "bytes", "pages of EMPTY slots, or inside of slabs, went back to the system");
  out->event(PageEvent::kPurgeRefused, "purge_refused", "count", "the system kept pages (locked memory)");
  out->event(PageEvent::kSharedFail, "shared_fail", "count", "the system refused memory");
  out->event(PageEvent::kMismatch, "sized_mismatch", "count", "frees whose size did not fit the block");
  out->event(PageEvent::kRequestedPurge, "requested_purge", "bytes", "somebody asked for a purge");
}

void describe_options(PageText* out) {
  for (const OptionInfo& option : option_table()) {
    out->column(option.name, option.env, unit_of(option.type), option.help);
  }
}

void describe_layout(PageText* out) {
#define HAKMEM_LAYOUT_COLUMN(name, value) out->column(#name, "layout", "any", "");
  HAKMEM_PAGE_LAYOUT(HAKMEM_LAYOUT_COLUMN)
#undef HAKMEM_LAYOUT_COLUMN
}

size_t describe(char* text, size_t capacity, const PageMap& map) {
  PageText out(text, capacity);
  out.table("totals", map.totals, 1);
  describe_totals(&out);
  out.table("counters", map.counters, 1);
  describe_counters(&out);
  out.table("classes", map.classes, kClasses);
  describe_classes(&out);
  describe_latencies(&out, map.latencies);
  out.table("events", map.events, kPageEvents);
  describe_events(&out);
  out.table("options", map.options, 1);
  describe_options(&out);
  out.table("layout", map.layout, 1);
  describe_layout(&out);
  return out.size();
}

}  // namespace

bool describe_page(char* text, size_t text_offset, PageMap* map) {
  const size_t events_bytes = size_t{kPageEvents} * kPageEventColumns * sizeof(PageWord);
  const size_t options_bytes = round_up(option_table().count * sizeof(PageWord), 64);
  const size_t layout_bytes = round_up(sizeof(PageLayout), 64);
  // From the end of the page downwards, so that no offset depends on the length of the text.
  *map = PageMap{};
  map->layout = kStatsPageBytes - layout_bytes;
  map->options = map->layout - options_bytes;
  map->events = map->options - events_bytes;
  map->classes = round_down(map->events - sizeof(PageFigures::classes), 64);
  map->latencies = round_down(map->classes - sizeof(PageLatencies), 64);
  map->counters = round_down(map->latencies - sizeof(CounterValues), 64);
  map->totals = round_down(map->counters - sizeof(PageTotals), 64);
  const size_t capacity = map->totals - text_offset;
  map->text_bytes = describe(text, capacity, *map);
  return map->text_bytes <= capacity;
}

uint32_t option_values(uint64_t* words) {
  const Config& options = config();
  uint32_t count = 0;
#define HAKMEM_VALUE_boolean(name) options.name ? 1 : 0
#define HAKMEM_VALUE_auto_switch(name) static_cast<uint64_t>(options.name)
#define HAKMEM_VALUE_size(name) options.name##_bytes
#define HAKMEM_VALUE_auto_size(name) options.name##_bytes
#define HAKMEM_VALUE_duration(name) options.name##_ms
#define HAKMEM_VALUE_percent(name) options.name##_ppm
#define HAKMEM_VALUE_integer(name) options.name
#define HAKMEM_OPTION(name, env, type, default_text, min, max, help) \
  words[count++] = HAKMEM_VALUE_##type(name);
#include "config/options.def"
#undef HAKMEM_VALUE_boolean
#undef HAKMEM_VALUE_auto_switch
#undef HAKMEM_VALUE_size
#undef HAKMEM_VALUE_auto_size
#undef HAKMEM_VALUE_duration
#undef HAKMEM_VALUE_percent
#undef HAKMEM_VALUE_integer
  return count;
}

}  // namespace hakmem
