// remote: every block is freed by another thread than the one that allocated it.
//
// The main thread allocates min..max bytes (first byte written) and passes the blocks through a
// ring to a second thread, which frees them all. In the mode `ring` the same ring carries numbers
// and nothing is allocated: its figure must be far above any allocator's, which shows that the ring
// is not what `malloc` measures.
//
// ops  blocks passed; each is one malloc here and one free there.
#include <sched.h>

#include <atomic>

#include "harness.h"

namespace {

constexpr const char* kUsage =
    "usage: remote [ops=5000000] [min=16] [max=271] [malloc|ring] (min <= max)";
constexpr std::uint64_t kWarmUpBlocks = 200'000;
constexpr std::uint32_t kSeed = 42;
// 64 KiB of pointers: large enough to ride out short preemptions, small enough to stay in the L2
// cache.
constexpr std::size_t kRingSlots = 8192;
// One publication per eight cache lines of pointers.
constexpr std::size_t kBatch = 64;
static_assert(kRingSlots % kBatch == 0);
// On a machine with fewer free cores than threads, spinning would burn the other side's time slice.
constexpr unsigned kSpinsBeforeYield = 256;

inline void wait_a_little(unsigned& spins) {
  if (++spins < kSpinsBeforeYield) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    return;
  }
  spins = 0;
  sched_yield();
}

// Single producer, single consumer. Indices only grow; slot = index % kRingSlots. Each side owns
// one cache line: its index, and its last look at the other's, which it renews only when that look
// says "no room" or "nothing there" (Lee, Bu, Chandranmenon: "A lock-free, cache-efficient shared
// ring buffer", ANCS 2009).
class Ring {
 public:
  Ring() : slots_(kRingSlots) {}

  // The producer's next kBatch slots. Waits without a bound: the consumer takes everything that is
  // published.
  void** claim() {
    unsigned spins = 0;
    while (written_ + kBatch - freed_seen_ > kRingSlots) {
      freed_seen_ = freed_.load(std::memory_order_acquire);  // sync: ring-space
      if (written_ + kBatch - freed_seen_ > kRingSlots) wait_a_little(spins);
    }
    return &slots_[written_ % kRingSlots];
  }
  void publish() {
    written_ += kBatch;
    published_.store(written_, std::memory_order_release);  // sync: ring-data
  }

  // The consumer's next kBatch pointers. Waits without a bound: the producer publishes as many as
  // agreed.
  void** take() {
    unsigned spins = 0;
    while (read_ == published_seen_) {
      published_seen_ = published_.load(std::memory_order_acquire);  // sync: ring-data
      if (read_ == published_seen_) wait_a_little(spins);
    }
    return &slots_[read_ % kRingSlots];
  }
  void release() {
    read_ += kBatch;
    freed_.store(read_, std::memory_order_release);  // sync: ring-space
  }

 private:
  // Written by the producer, read by the consumer: the slots below it are filled. Pair: ring-data.
  alignas(bench::kCacheLineBytes) std::atomic<std::size_t> published_{0};
  // Written by the consumer, read by the producer: the slots below it are free again. Pair:
  // ring-space.
  alignas(bench::kCacheLineBytes) std::atomic<std::size_t> freed_{0};
  // The producer's own.
  alignas(bench::kCacheLineBytes) std::size_t written_ = 0;
  std::size_t freed_seen_ = 0;
  // The consumer's own.
  alignas(bench::kCacheLineBytes) std::size_t read_ = 0;
  std::size_t published_seen_ = 0;
  bench::MappedArray<void*> slots_;
};

template <class Make>
[[gnu::noinline]] void produce(Ring& ring, std::uint64_t batches, Make make) {
  for (std::uint64_t i = 0; i < batches; ++i) {
    void** slots = ring.claim();
    for (std::size_t k = 0; k < kBatch; ++k) slots[k] = make();
    ring.publish();
  }
}

template <class Drop>
[[gnu::noinline]] void consume(Ring& ring, std::uint64_t batches, Drop drop) {
  for (std::uint64_t i = 0; i < batches; ++i) {
    void** slots = ring.take();
    for (std::size_t k = 0; k < kBatch; ++k) drop(slots[k]);
    ring.release();
  }
}

template <class Make, class Drop>
double seconds_to_pass(std::uint64_t batches, Make make, Drop drop) {
  Ring ring;
  bench::Span spans[2];
  bench::Barrier start_line(2);
  auto consumer = [&](unsigned) {
    consume(ring, kWarmUpBlocks / kBatch, drop);
    start_line.wait();
    spans[1].start = bench::now_seconds();
    consume(ring, batches, drop);
    spans[1].stop = bench::now_seconds();
  };
  {
    bench::Threads started(1, consumer);
    produce(ring, kWarmUpBlocks / kBatch, make);
    start_line.wait();
    spans[0].start = bench::now_seconds();
    produce(ring, batches, make);
    spans[0].stop = bench::now_seconds();
  }
  return bench::seconds_of(spans, 2);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(4);
  const std::uint64_t batches =
      (arguments.number(1, 5'000'000, 1, UINT64_MAX / 2) + kBatch - 1) / kBatch;
  const std::size_t min_bytes = arguments.number(2, 16, 1, 1u << 30);
  const std::size_t max_bytes = arguments.number(3, 271, 1, 1u << 30);
  if (max_bytes < min_bytes) bench::die(2, kUsage);
  const bool ring_only = arguments.chooses_second(4, "malloc", "ring");

  bench::Xorshift32 random(kSeed);
  double seconds = 0;
  if (ring_only) {
    std::uintptr_t made = 0;
    volatile std::uintptr_t sink = 0;
    seconds = seconds_to_pass(
        batches,
        [&] { return reinterpret_cast<void*>(made += random.between(min_bytes, max_bytes)); },
        [&](void* block) { sink = reinterpret_cast<std::uintptr_t>(block); });
  } else {
    seconds = seconds_to_pass(
        batches, [&] { return bench::allocate(random.between(min_bytes, max_bytes)); },
        [](void* block) { std::free(block); });
  }
  bench::report(arguments,
                {.name = "remote", .ops = batches * kBatch, .seconds = seconds, .threads = 2}, "%s",
                "");
}
