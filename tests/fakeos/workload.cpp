#include "fakeos/workload.h"

#include <gtest/gtest.h>

#include "os/pages.h"
#include "superslab/meta_arena.h"
#include "pool/shared_pool.h"
#include "front/cache_list.h"
#include "large/huge.h"
#include "observe/invariants.h"

#include "hakmem/hakmem.h"

#include "fakeos/fake_pages.h"
#include "fakeos/fake_process.h"

namespace hakmem::fakeos {

namespace {

constexpr size_t kHuge = size_t{3} << 20;

}  // namespace

Peer::Peer()
    : thread_([this] {
        for (;;) {
          asked_.acquire();
          if (work_ == nullptr) return;
          work_();
          done_.release();
        }
      }) {}

Peer::~Peer() {
  work_ = nullptr;
  asked_.release();
  thread_.join();
}

void Peer::run(std::function<void()> work) {
  work_ = std::move(work);
  asked_.release();
  done_.acquire();
}

const char* name_of(Shape shape) {
  static const char* const names[] = {"default", "small reservations", "tenants"};
  return names[static_cast<uint32_t>(shape)];
}

void set_options(Shape shape, uint64_t decay_ms) {
  const Aside ours;
  const SealedPage page = sealed_page();
  os::commit(page.address, Bytes(page.size_bytes));
  Config& options = detail::sealed_config.config;
  options.decay_ms = decay_ms;
  options.memory_limit_bytes = gib(1024).count();  // whatever pressure the machine is under
  options.scavenger = AutoSwitch::kOff;  // a thread of its own would call the system at times of its own
  if (shape == Shape::kSmallReserve) options.reserve_bytes = mib(4).count();
  if (shape == Shape::kTenants) options.tiny_ss_shared = false;
  os::make_readable(page.address, Bytes(page.size_bytes));
}

void use_up_meta_arena() {
  for (size_t cell = MetaArena::kCellMax; cell >= MetaArena::kCellMin; cell /= 2) {
    while (meta_arena().allocate(Bytes(cell)) != nullptr) {
    }
  }
}

size_t any_size(test::Random& random) {
  switch (random.below(16)) {
    case 0:
      return random.below(17);
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return random.below(1025);
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
      return random.below(size_t{32} << 10);
    case 11:
    case 12:
      return random.below(size_t{200} << 10);
    case 13:
      return random.below(10) == 0 ? random.below(kLargeMax) : random.below(size_t{400} << 10);
    case 14:
      return block_bytes(ClassIndex(static_cast<uint32_t>(random.below(kClasses)))).count();
    default:
      return kLargeMax + 1 + random.below(size_t{2} << 20);
  }
}

void Workload::run() {
  for (int i = 0; i < 150; ++i) model_.any(random_);
  model_.check();
  exchange_with_peer();
  model_.check();
  adopt_from_parked();
  model_.check();
  let_time_pass();
  move_huge_blocks();
  model_.check();
  hak_trim();
  model_.check();
  for (int i = 0; i < 100; ++i) model_.any(random_);
  model_.check();
}

// Two live caches, and messages both ways. The peer's cache is parked with blocks still live; the
// next thread takes it over.
void Workload::exchange_with_peer() {
  {
    Peer peer;
    peer.run([this] {
      for (int i = 0; i < 60; ++i) model_.any(random_);
      for (int i = 0; i < 200; ++i) model_.malloc(48);
      for (int i = 0; i < 20; ++i) model_.free(random_.below(1 << 20));
    });
    for (int i = 0; i < 150; ++i) model_.free(random_.below(1 << 20));
    for (int i = 0; i < 40; ++i) model_.any(random_);
    model_.check();
    peer.run([this] {
      for (int i = 0; i < 40; ++i) model_.any(random_);
    });
  }
  Peer heir;
  heir.run([this] {
    for (int i = 0; i < 40; ++i) model_.any(random_);
  });
}

// Blocks of the parked caches' classes, more than their slabs hold.
void Workload::adopt_from_parked() {
  for (int i = 0; i < 300; ++i) model_.malloc(48);
  for (int i = 0; i < 100; ++i) model_.any(random_);
  for (int i = 0; i < 250; ++i) model_.free(random_.below(1 << 20));
}

// A tick comes with a slow path, 50 ms after the last: each turn gives some, in all ranges.
void Workload::let_time_pass() {
  for (int turn = 0; turn < 25; ++turn) {
    advance_clock(Milliseconds(60));
    for (int i = 0; i < 12; ++i) model_.any(random_);
  }
  for (int i = 0; i < 4; ++i) model_.calloc(kHuge);
  for (int i = 0; i < 60; ++i) model_.free(random_.below(1 << 20));
}

void Workload::move_huge_blocks() {
  for (int i = 0; i < 3; ++i) model_.malloc(kHuge);
  const size_t most = model_.blocks() * 2;
  for (size_t i = 0; i < most; i += 7) model_.realloc(i, i % 3 == 0 ? kHuge + i * 4096 : 2 * kHuge);
  for (size_t i = 0; i < most; i += 11) model_.realloc(i, i % 2 == 0 ? 100 : kHuge);
  for (int i = 0; i < 30; ++i) model_.free(random_.below(1 << 20));
}

void Workload::recover() {
  hak_thread_idle();
  const uint64_t refused = model_.refused();
  for (uint32_t c = 0; c < kClasses; ++c) {
    EXPECT_NE(model_.malloc(block_bytes(ClassIndex(c)).count()), nullptr) << c;
  }
  for (const size_t size : {kLargeMax + 1, kHuge, size_t{20} << 20}) {
    EXPECT_NE(model_.calloc(size), nullptr);
    EXPECT_NE(model_.aligned_alloc(size_t{4} << 20, size), nullptr);
  }
  for (size_t i = 0; i < 300; ++i) model_.realloc(i * 5, any_size(random_));
  Peer peer;
  peer.run([this] {
    for (int i = 0; i < 150; ++i) model_.any(random_);
  });
  for (int i = 0; i < 100; ++i) model_.any(random_);
  EXPECT_EQ(model_.refused(), refused) << "still refused after the fault";
  hak_thread_idle();
  model_.check();
}

void Workload::wind_up() {
  model_.free_all();
  hak_trim();
  HeapWalk walk;
  {
    const Aside walker_maps_memory;
    EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
  }
  EXPECT_EQ(walk.live_blocks(), 0U) << "blocks were lost";
  const PoolStats stats = pool().stats();
  EXPECT_EQ(stats.active_slots, 0U);
  EXPECT_EQ(stats.empty_slots, 0U);
  EXPECT_EQ(huge_blocks().stats().blocks, 0U);
  EXPECT_EQ(huge_blocks().stats().retained, Bytes(0));
  // The table of huge blocks is all that stays.
  EXPECT_LE(held_mapped().ranges, 1U) << "mappings were forgotten";
}

}  // namespace hakmem::fakeos
