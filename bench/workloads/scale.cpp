// scale: what the allocator does behind its fast paths, counted while threads and live blocks grow.
//
// work  `threads` threads hold `live` blocks together, sizes log-uniform in min..max. A step frees one
//       of a thread's own blocks, chosen at random, and allocates another in its place; of the frees a
//       share of `remote` percent is done by another thread, every other with the same chance (or, with
//       `partners`, only the next so many). Threads go in phases of 100 steps with a barrier between:
//       what one gives away in a phase, the others free in the next. So the work is the same in every
//       run, however the machine divides its cores. The first half of the
//       phases is warm-up, in which stacks grow; reported are the counters of the second half, and those
//       of filling `live`.
// idle  `threads` threads allocate one block of each of 40 sizes from 16 B to 32 KiB, write to every
//       page, and sleep. What the resident memory grew by beyond those blocks is what a sleeping thread
//       costs; its stack is resident before, for it has touched as much of it.
//
// ops  work: calls of malloc and of free in the steady part. idle: blocks.
// Adds, for hakmem: counters and, for work, fill_counters (each a map of how much grew); null for others.
// Adds, for work: live, fill_ops. For idle: live_bytes, beyond_kib (per thread).
#include "../../include/hakmem/hakmem.h"
#include "harness.h"

namespace {

constexpr const char* kUsage =
    "usage: scale [work] [threads=8] [live=100000] [steps=20000] [remote=10] [min=16] [max=1024] "
    "[partners=0]\n       scale idle [threads=64]";
constexpr unsigned kThreadsMax = 4096;
constexpr unsigned kStepsPerPhase = 100;
constexpr std::uint32_t kSeed = 42;

// --- The counters, where the allocator is hakmem.

constexpr std::size_t kCountersMax = 256;

class Counters {
 public:
  Counters() : read_(reinterpret_cast<Read*>(dlsym(RTLD_DEFAULT, "hak_counters"))) {}

  void read() {
    if (read_ == nullptr) return;
    count_ = read_(counters_, kCountersMax);
    if (count_ > kCountersMax) bench::die(1, "more counters than places");
  }

  // How much each grew until `later`, as a JSON object. `text` always ends with a zero byte.
  void write_growth(const Counters& later, char* text, std::size_t text_bytes) const {
    if (read_ == nullptr) {
      std::snprintf(text, text_bytes, "null");
      return;
    }
    std::size_t used = 0;
    for (std::size_t i = 0; i < count_ && used < text_bytes; ++i) {
      const std::uint64_t grown = later.counters_[i].value - counters_[i].value;
      used += static_cast<std::size_t>(
          std::snprintf(text + used, text_bytes - used, "%s\"%s\": %llu", i == 0 ? "{" : ", ",
                        counters_[i].name, static_cast<unsigned long long>(grown)));
    }
    if (used + 2 > text_bytes) bench::die(1, "too many counters for the result line");
    std::memcpy(text + used, "}", 2);
  }

 private:
  using Read = decltype(hak_counters);

  Read* read_;
  hak_counter counters_[kCountersMax];
  std::size_t count_ = 0;
};

// --- work

struct Plan {
  unsigned threads;
  std::uint64_t live;
  unsigned phases;
  unsigned given_per_phase;
  std::size_t min_bytes;
  std::size_t max_bytes;
  unsigned partners;
};

// As many between 16 and 32 as between 512 and 1 024: first a doubling, then a size within it.
std::size_t random_size(bench::Xorshift32& random, const Plan& plan) {
  std::size_t doublings = 0;
  while (plan.min_bytes << (doublings + 1) <= plan.max_bytes) ++doublings;
  if (doublings == 0) return random.between(plan.min_bytes, plan.max_bytes);
  const std::size_t base = plan.min_bytes << random.between(0, doublings - 1);
  return base + random.next() % base;
}

class Work {
 public:
  explicit Work(const Plan& plan)
      : plan_(plan),
        slots_(plan.live),
        given_(std::size_t{2} * plan.threads * kStepsPerPhase),
        barrier_(plan.threads + 1),
        spans_(plan.threads) {}

  // The threads and the main thread, which reads the counters while all others wait.
  void run(Counters& before_fill, Counters& before, Counters& after) {
    auto body = [this](unsigned index) { run_thread(index); };
    bench::Threads started(plan_.threads, body);
    before_fill.read();
    barrier_.wait();  // fill
    barrier_.wait();
    filled_.read();
    for (unsigned phase = 0; phase < 2 * plan_.phases; ++phase) {
      barrier_.wait();
      if (phase != plan_.phases) continue;
      before.read();
      barrier_.wait();
    }
    barrier_.wait();
    after.read();
    barrier_.wait();
  }

  const Counters& filled() const { return filled_; }
  double seconds() { return bench::seconds_of(spans_.data(), plan_.threads); }

 private:
  std::uint64_t first_slot(unsigned index) const { return plan_.live * index / plan_.threads; }

  void** given_by(unsigned thread, unsigned phase) {
    return &given_[(std::size_t{phase % 2} * plan_.threads + thread) * kStepsPerPhase];
  }

  void run_thread(unsigned index) {
    bench::Xorshift32 random(kSeed + index * 2654435761u);
    void** slots = &slots_[first_slot(index)];
    const std::uint64_t count = first_slot(index + 1) - first_slot(index);
    barrier_.wait();
    for (std::uint64_t i = 0; i < count; ++i) {
      slots[i] = bench::allocate(random_size(random, plan_));
    }
    barrier_.wait();
    const unsigned phases = 2 * plan_.phases;
    for (unsigned phase = 0; phase < phases; ++phase) {
      barrier_.wait();
      if (phase == plan_.phases) {
        barrier_.wait();  // the counters are read
        spans_[index].start = bench::now_seconds();
      }
      if (phase != 0) free_what_was_given(index, phase - 1);
      work(random, slots, count, given_by(index, phase));
    }
    spans_[index].stop = bench::now_seconds();
    barrier_.wait();
    barrier_.wait();
    free_what_was_given(index, phases - 1);
    for (std::uint64_t i = 0; i < count; ++i) std::free(slots[i]);
  }

  // A phase's own part.
  void work(bench::Xorshift32& random, void** slots, std::uint64_t count, void** given) {
    for (unsigned step = 0; step < kStepsPerPhase; ++step) {
      void*& slot = slots[random.next() % count];
      if (step < plan_.given_per_phase) {
        given[step] = slot;
      } else {
        std::free(slot);
      }
      slot = bench::allocate(random_size(random, plan_));
    }
  }

  // In each place of the lists the distance to the giver is the same for all threads, so every block is
  // freed by one of them; and it differs from place to place and phase to phase.
  void free_what_was_given(unsigned index, unsigned phase) {
    const unsigned others = plan_.threads - 1;
    const unsigned range = plan_.partners == 0 || plan_.partners > others ? others : plan_.partners;
    for (unsigned place = 0; place < plan_.given_per_phase; ++place) {
      bench::Xorshift32 mix(((phase * kStepsPerPhase + place) * 2654435761u) ^ kSeed);
      mix.next();
      const unsigned distance = 1 + (mix.next() >> 3) % range;
      std::free(given_by((index + distance) % plan_.threads, phase)[place]);
    }
  }

  const Plan plan_;
  bench::MappedArray<void*> slots_;
  bench::MappedArray<void*> given_;
  bench::Barrier barrier_;
  bench::MappedArray<bench::Span> spans_;
  Counters filled_;
};

int run_work(const bench::Arguments& arguments, int first) {
  Plan plan{};
  plan.threads = static_cast<unsigned>(arguments.number(first, 8, 1, kThreadsMax));
  plan.live = arguments.number(first + 1, 100'000, 1, 1u << 30);
  const std::uint64_t steps = arguments.number(first + 2, 20'000, kStepsPerPhase, 1u << 30);
  const std::uint64_t remote = arguments.number(first + 3, 10, 0, 100);
  plan.min_bytes = arguments.number(first + 4, 16, 1, 1u << 30);
  plan.max_bytes = arguments.number(first + 5, 1024, 1, 1u << 30);
  plan.partners = static_cast<unsigned>(arguments.number(first + 6, 0, 0, kThreadsMax));
  arguments.at_most(first + 6);
  if (plan.max_bytes < plan.min_bytes) bench::die(2, kUsage);
  if (plan.live < plan.threads) plan.live = plan.threads;
  plan.phases = static_cast<unsigned>(steps / kStepsPerPhase);
  // One thread has nobody to give to.
  plan.given_per_phase =
      plan.threads == 1 ? 0 : static_cast<unsigned>(kStepsPerPhase * remote / 100);

  // Not on the stack: each is some KiB.
  static Counters before_fill;
  static Counters before;
  static Counters after;
  Work work(plan);
  work.run(before_fill, before, after);
  static char fill_text[4096];
  static char text[4096];
  before_fill.write_growth(work.filled(), fill_text, sizeof fill_text);
  before.write_growth(after, text, sizeof text);
  bench::report(arguments,
                {.name = "scale",
                 .ops = std::uint64_t{2} * plan.threads * plan.phases * kStepsPerPhase,
                 .seconds = work.seconds(),
                 .threads = plan.threads},
                ", \"live\": %llu, \"fill_ops\": %llu, \"fill_counters\": %s, \"counters\": %s",
                static_cast<unsigned long long>(plan.live),
                static_cast<unsigned long long>(plan.live), fill_text, text);
  return 0;
}

// --- idle

constexpr unsigned kSizes = 40;
constexpr unsigned kLinearSizes = 8;
constexpr unsigned kSizesPerDoubling = 4;
constexpr std::size_t kLinearStepBytes = 16;
constexpr std::size_t kStackBytes = 16 * 1024;

constexpr std::size_t size_at(unsigned index) {
  if (index < kLinearSizes) return (index + 1) * kLinearStepBytes;
  const unsigned above = index - kLinearSizes;
  const std::size_t base = (kLinearSizes * kLinearStepBytes) << (above / kSizesPerDoubling);
  return base + base / kSizesPerDoubling * (above % kSizesPerDoubling + 1);
}
static_assert(size_at(kSizes - 1) == 32 * 1024);

[[gnu::noinline]] void touch_stack() {
  char stack[kStackBytes];
  bench::touch_pages(stack, 0, kStackBytes);
}

int run_idle(const bench::Arguments& arguments, int first) {
  const unsigned threads = static_cast<unsigned>(arguments.number(first, 64, 1, kThreadsMax));
  arguments.at_most(first);
  std::uint64_t live_bytes = 0;
  for (unsigned i = 0; i < kSizes; ++i) live_bytes += std::uint64_t{threads} * size_at(i);

  bench::Barrier started(threads + 1);
  bench::Barrier asleep(threads + 1);
  auto body = [&](unsigned) {
    touch_stack();
    started.wait();
    started.wait();
    void* blocks[kSizes];
    for (unsigned i = 0; i < kSizes; ++i) {
      blocks[i] = bench::allocate(size_at(i));
      bench::touch_pages(blocks[i], 0, size_at(i));
    }
    asleep.wait();
    asleep.wait();
    for (void* block : blocks) std::free(block);
  };
  static Counters before;
  static Counters after;
  long before_kib = 0;
  long asleep_kib = 0;
  double start = 0;
  double seconds = 0;
  {
    bench::Threads sleepers(threads, body);
    started.wait();
    before.read();
    before_kib = bench::rss_kib();
    start = bench::now_seconds();
    started.wait();
    asleep.wait();
    seconds = bench::now_seconds() - start;
    asleep_kib = bench::rss_kib();
    after.read();
    asleep.wait();
  }
  static char text[4096];
  before.write_growth(after, text, sizeof text);
  const double beyond_kib =
      static_cast<double>(asleep_kib - before_kib) - static_cast<double>(live_bytes) / 1024;
  bench::report(arguments,
                {.name = "scale",
                 .ops = std::uint64_t{threads} * kSizes,
                 .seconds = seconds,
                 .threads = threads},
                ", \"live_bytes\": %llu, \"beyond_kib\": %.1f, \"counters\": %s",
                static_cast<unsigned long long>(live_bytes), beyond_kib / threads, text);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  const bool has_mode = argc > 1 && (*argv[1] < '0' || *argv[1] > '9');
  const bool idle = has_mode && arguments.chooses_second(1, "work", "idle");
  const int first = has_mode ? 2 : 1;
  return idle ? run_idle(arguments, first) : run_work(arguments, first);
}
