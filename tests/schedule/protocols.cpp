#include "schedule/protocols.h"

#include "front/hole_purge.h"
#include "heap/upkeep.h"
#include "observe/invariants.h"

#include "fakeos/fake_process.h"
#include "schedule/hand_overs.h"
#include "schedule/program.h"
#include "schedule/scheduler.h"
#include "schedule/thread_caches.h"
#include "unit/front/cache_access.h"

namespace schedule {

namespace {

using namespace hakmem;

// Eight blocks a slab, a page and more each; 64 blocks a slab; one block a slab.
const ClassIndex kKinds[] = {class_of(32 << 10), class_of(1000), class_of(100'000)};
constexpr uint32_t kMid = 0;
constexpr uint32_t kTiny = 1;
constexpr uint32_t kLarge = 2;
constexpr uint32_t kThreads = 4;

// How often a thread does what, in the four kinds of life.
enum Deed : uint32_t {
  kAllocate, kFree, kTick, kTrim, kLeave, kRetire, kDrain, kPurgeHoles, kPurgeSlots, kBorrow, kDeeds
};
constexpr uint8_t kShares[4][kDeeds] = {
    {30, 30, 12, 6, 2, 1, 6, 0, 0, 2},     // messages
    {25, 25, 6, 2, 16, 10, 6, 0, 0, 6},    // park, adopt, retire
    {30, 30, 6, 6, 2, 4, 2, 14, 14, 2},    // purge
    {24, 24, 8, 6, 8, 6, 6, 6, 6, 4},      // all of it
};
constexpr uint32_t kDeedsOfAThread[] = {14, 12, 14, 24};

uint64_t g_seed;

struct Actor {
  Random random;
  ThreadCache* cache;
  bool recycler;  // takes at once what others free
};

// Of five lives one is a hand-over.
constexpr uint64_t kLives = 5;
uint32_t life() { return static_cast<uint32_t>(g_seed % kLives); }

void allocate(Actor& actor) {
  const uint32_t kind = actor.random.one_in(6) ? kLarge : (actor.random.one_in(3) ? kTiny : kMid);
  const ClassIndex c = kKinds[kind];
  program::hold(test::get(*actor.cache, c), block_bytes(c).count(), kind);
}

void free_one(Actor& actor) {
  void* block = program::let_go(actor.random.below(1u << 20));
  if (block != nullptr) test::put(*actor.cache, block);
}

// As a thread does whose exit handler ran: a block of a parked cache, and home with another.
void borrow(Actor& actor) {
  bool zero = false;
  ThreadCache* lender = cache_list().any_parked();
  if (lender == nullptr) return;
  const ClassIndex c = kKinds[kMid];
  program::hold(lender->borrow_block(c, &zero), block_bytes(c).count(), kMid);
  if (void* block = program::let_go(actor.random.below(1u << 20), kMid); block != nullptr) {
    ThreadCache::return_home(block);
  }
}

void drain_others() {
  cache_list().for_each([](ThreadCache& cache) {
    ThreadCache::return_strays(cache.drain_inbox(false));
  });
}

// Time stands still, and ticks come when the seed says so.
void tick(ThreadCache& cache) { (cache.*member_of(test::TickName()))(os::now_coarse()); }

void act(Actor& actor, Deed deed) {
  switch (deed) {
    case kAllocate: return allocate(actor);
    case kFree: return free_one(actor);
    case kTick: return tick(*actor.cache);
    case kTrim: return actor.cache->trim();
    case kLeave:
      depart(actor.cache);
      actor.cache = arrive();
      return;
    case kRetire: return cache_list().retire_parked(os::now_coarse(), 2);
    case kDrain: return actor.random.one_in(2) ? cache_list().drain_mail() : drain_others();
    case kPurgeHoles: hole_purge().purge_all(); return;
    case kPurgeSlots: pool().purge_all(); return;
    case kBorrow: return borrow(actor);
    case kDeeds: return;
  }
}

Deed choose_deed(Actor& actor) {
  uint32_t left = actor.random.below(100);
  for (uint32_t deed = 0; deed < kDeeds; ++deed) {
    const uint32_t share = kShares[life()][deed];
    if (left < share) return static_cast<Deed>(deed);
    left -= share;
  }
  return kAllocate;
}

void recycle(Actor& actor) {
  allocate(actor);
  if (program::held() > 6) free_one(actor);
}

void thread_body(uint32_t number) {
  Actor actor{Random(g_seed * 8 + number), arrive(), number == kThreads};
  const uint32_t deeds = kDeedsOfAThread[life()];
  for (uint32_t i = 0; i < deeds; ++i) {
    actor.recycler ? recycle(actor) : act(actor, choose_deed(actor));
  }
  depart(actor.cache);
}

// Before the threads: a slab or two of each kind, so that there is something to free from the start.
void furnish() {
  Actor actor{Random(g_seed * 8), arrive(), false};
  for (uint32_t i = 0; i < 10; ++i) allocate(actor);
  depart(actor.cache);
}

void walk(uint64_t live_blocks) {
  HeapWalk walk;
  if (const char* violation = check_heap(Threads::kStopped, &walk); violation != nullptr) {
    fail(violation);
  }
  if (walk.live_blocks() != live_blocks) fail("blocks were lost or found", walk.live_blocks());
}

}  // namespace

void live(uint64_t seed) {
  g_seed = seed;
  if (life() == kLives - 1) return hand_over(seed / kLives);
  if (registry().reservations() == 0) registry().open();
  furnish();
  run(seed, kThreads, thread_body);

  walk(program::held());
  // All are parked: what the list was told of is all there is.
  cache_list().drain_mail();
  require_no_mail("an inbox was forgotten");
  ThreadCache* last = arrive();
  while (void* block = program::let_go(0)) test::put(*last, block);
  last->retire();
  cache_list().park(last);
  upkeep::everything();
  require_no_mail("mail is left");
  walk(0);
  const PoolStats slots = pool().stats();
  if (slots.active_slots != 0) fail("slots stay ACTIVE", slots.active_slots);
  if (slots.empty_slots != 0) fail("slots stay EMPTY", slots.empty_slots);
  for (uint32_t c = 0; c < kClasses; ++c) {
    if (cache_list().adoptable(ClassIndex(c)) != 0) fail("adoptable slabs that are not there", c);
  }
}

}  // namespace schedule
