#include "schedule/hand_overs.h"

#include <atomic>
#include <iterator>
#include <new>

#include "superslab/registry.h"
#include "pool/shared_pool.h"
#include "large/guarded.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"
#include "profile/profiler.h"
#include "heap/after_tick.h"
#include "heap/deferred.h"
#include "observe/page_format.h"
#include "observe/stats_page.h"

#include "schedule/scheduler.h"
#include "schedule/thread_caches.h"
#include "unit/front/cache_access.h"

namespace schedule {

namespace {

using namespace hakmem;

constexpr uint32_t kThreads = 4;
constexpr uint32_t kTurns = 8;

// relaxed: it must order nothing.
std::atomic<uintptr_t> g_hint{0};
uintptr_t hint() { return g_hint.load(std::memory_order_relaxed); }
void set_hint(uintptr_t value) { g_hint.store(value, std::memory_order_relaxed); }

// --- Frees of signal handlers: whoever takes a block reads what who put it wrote.

constinit DeferredFrees g_deferred;
uint64_t g_blocks[(kThreads + 1) * kTurns];
std::atomic<uint32_t> g_taken{0};

void take_all() {
  g_deferred.take_all([](void* block) {
    uint64_t* word = static_cast<uint64_t*>(block);
    if (*word != 1) fail("a deferred block was taken twice, or is not as it was put", *word);
    *word = 2;
    g_taken.fetch_add(1, std::memory_order_relaxed);
  });
}

void defer(uint32_t number) {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    uint64_t* block = &g_blocks[number * kTurns + turn];
    *block = 1;
    if (!g_deferred.put(block)) fail("no room for a deferred block");
    if (g_deferred.waiting()) take_all();
  }
}

void deferred_life(uint64_t seed) {
  run(seed, kThreads, defer, 2000);
  // Nobody asks otherwise in the library either.
  if (g_deferred.waiting()) take_all();
  const uint32_t taken = g_taken.load(std::memory_order_relaxed);
  if (taken != kThreads * kTurns) fail("deferred blocks were lost", taken);
}

// --- A registry of small reservations grows; the others look addresses up and walk.

Registry* g_small;

void grow() {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    const SuperSlabRange range = g_small->commit_next();
    if (range.count == 0) fail("refused");
    for (uint32_t i = 0; i < range.count; ++i) {
      range.first[i].open(test::ForgedKey(), range.base + i * kSuperSlabBytes.count(), 0);
    }
    set_hint(range.base);
  }
}

// One finds and the others walk: each way has its own orders.
void look_up() {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    if (const uintptr_t address = hint(); address != 0) {
      const Reservation* home = g_small->find(address);
      if (home == nullptr || !home->holds(address)) fail("a committed address is not found", address);
    }
  }
}

void walk() {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    g_small->for_each_superslab([](const SuperSlab& super) {
      if (super.count(SlotState::kUnused).count() != kSlotsPerSuperSlab) {
        fail("a SuperSlab was seen half open", super.base());
      }
    });
  }
}

void registry_life(uint64_t seed) {
  const test::ScopedConfig config([](Config& c) { c.reserve_bytes = mib(4).count(); });
  alignas(Registry) static char place[sizeof(Registry)];
  g_small = new (place) Registry;
  g_small->open();
  static constexpr void (*kDeeds[])() = {grow, look_up, walk, walk};
  run(seed, kThreads, [](uint32_t number) { kDeeds[number - 1](); }, 800);
  if (g_small->reservations() < 2) fail("one reservation was enough");
}

// --- Caches are made; the others find them by an id, or walk.

void make_caches() {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    ThreadCache* cache = cache_list().make_unowned();
    if (cache == nullptr) fail("no cache");
    set_hint(cache->id().count());
  }
}

void find_caches() {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    if (const OwnerId id{static_cast<uint32_t>(hint())}; id != kNoOwner) {
      const ThreadCache* cache = cache_list().find(id);
      if (cache == nullptr || cache->id() != id) fail("a cache is not found by its id", id.count());
    }
  }
}

void walk_caches() {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    uint32_t before = 0;
    cache_list().for_each([&before](const ThreadCache& cache) {
      if (cache.id().count() != ++before) fail("a cache has another's id", before);
    });
  }
}

void caches_life(uint64_t seed) {
  static constexpr void (*kDeeds[])() = {make_caches, find_caches, walk_caches, find_caches};
  run(seed, kThreads, [](uint32_t number) { kDeeds[number - 1](); }, 500);
  if (cache_list().count() != kTurns) fail("caches were lost");
  if (cache_list().live() != 0) fail("a cache without an owner is live");
}

// --- Two threads make a profile's file, and in some lives a third ends the profile.

bool g_ends_early;
std::atomic<uint32_t> g_made{0};

void make_profile(uint32_t number) {
  if (number <= 3) {
    if (profiler().make_file()) g_made.fetch_add(1, std::memory_order_relaxed);
  } else if (g_ends_early) {
    profiler().stop();
  }
}

void profile_life(uint64_t seed) {
  g_ends_early = seed / 2 % 2 != 0;
  profiler().start(Bytes(4096));
  run(seed, kThreads, make_profile, 70);
  const uint32_t made = g_made.load(std::memory_order_relaxed);
  const uint32_t pages = shared_pages();
  if (!g_ends_early && (pages != 1 || made == 0)) fail("not one profile was made", pages);
  if (pages > 1) fail("two profiles were made", pages);
  profiler().stop();
  if (shared_pages() != 0) fail("a profile outlived its end");
}

// --- A parked cache is retired while two others send it a last message each and one drains what the list was told of.
// Whatever came later would tell of mail that was forgotten.

const ClassIndex kSent = class_of(1000);
ThreadCache* g_senders[2];
void* g_letters[2];

void retire() { cache_list().retire_parked(os::now_coarse(), 1); }

void send_letter(uint32_t sender) {
  test::put(*g_senders[sender], g_letters[sender]);
  g_senders[sender]->trim();
}

void drain() {
  for (uint32_t turn = 0; turn < 8 * kTurns; ++turn) cache_list().drain_mail();
}

void mail_life(uint64_t seed) {
  ThreadCache* owner = arrive();
  for (ThreadCache*& sender : g_senders) sender = arrive();
  for (void*& block : g_letters) block = test::get(*owner, kSent);
  depart(owner);
  static constexpr void (*kDeeds[])() = {retire, [] { send_letter(0); }, [] { send_letter(1); }, drain};
  run(seed, kThreads, [](uint32_t number) { kDeeds[number - 1](); }, 300);
  cache_list().drain_mail();
  require_no_mail("an inbox was forgotten");
}

// --- Guarded blocks are made and released: what their walks of the stack find out is one thread's at a time.

void guard(uint32_t) {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    void* block = guarded_blocks().allocate(100, 16);
    if (block == nullptr) fail("no guarded block");
    guarded_blocks().release(block);
  }
}

void guarded_life(uint64_t seed) {
  guarded_blocks().open(1);
  run(seed, kThreads, guard, 1600);
}

// --- The stats page: written by whoever has the turn, shown to all.

std::atomic<uint64_t> g_now{1000};

// Half of the threads only look: a tick would order them.
void tick_or_look(uint32_t number) {
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    if (number <= kThreads / 2) {
      after_tick(Milliseconds(g_now.fetch_add(2000, std::memory_order_relaxed)));
      continue;
    }
    const char* path = stats_page_path();
    if (path == nullptr) continue;
    if (path[0] == 0) fail("a page without a name");
    // The name is written by instructions that the races do not see, the number by ones that they do.
    if (static_cast<const PageHeader*>(newest_shared_page())->magic != kPageMagic) fail("a page that is not whole");
  }
}

void page_life(uint64_t seed) {
  if (registry().reservations() == 0) registry().open();
  for (uint32_t i = 0; i < kSlotsPerSuperSlab; ++i) {  // a heap worth a page
    pool().acquire(class_of(64), OwnerId(1), nullptr, SlotCount(1), SharedPool::Growth::kAllowed);
  }
  run(seed, kThreads, tick_or_look);
  if (stats_page_path() == nullptr || shared_pages() != 1) fail("not one page", shared_pages());
}

}  // namespace

void hand_over(uint64_t seed) {
  constexpr void (*kLives[])(uint64_t) = {deferred_life, registry_life, caches_life, profile_life,
                                          guarded_life,  page_life,     mail_life};
  kLives[seed % std::size(kLives)](seed / std::size(kLives));
}

}  // namespace schedule
