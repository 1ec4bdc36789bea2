// Each system call fails, in turn and for good: nullptr and ENOMEM, nothing lost, and the heap
// recovers.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "os/huge_pages.h"
#include "pool/shared_pool.h"
#include "large/huge.h"
#include "front/cache_list.h"
#include "front/thread_cache.h"
#include "observe/invariants.h"

#include "hakmem/hakmem.h"

#include "fakeos/child.h"
#include "fakeos/fake_pages.h"
#include "fakeos/workload.h"

namespace hakmem::fakeos {
namespace {

constexpr uint64_t kSeed = 1;
// The tests refuse some of the calls, the soak each (TEST_STRIDE=1): what follows a refusal is much the same. Under a
// sanitizer, several times as slow, still fewer.
uint64_t stride() {
  const char* text = getenv("TEST_STRIDE");
  if (text != nullptr) return std::max(strtoull(text, nullptr, 10), 1ULL);
  return test::kThreadSanitizer ? 10 : test::kSanitizer ? 5 : 3;
}
const uint64_t kStride = stride();

std::string say(const char* what, uint64_t number, Shape shape) {
  return std::string(what) + " " + std::to_string(number) + ", " + name_of(shape);
}

// What a run without faults calls, which a child tells through shared memory.
struct Counts {
  uint64_t of[kCallKinds];
  uint64_t all;
  uint64_t adopted;
  uint64_t reservations;
};

Counts counts_of_a_clean_run(Shape shape) {
  Counts* shared = static_cast<Counts*>(
      mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  in_child("no fault", [shared, shape] {
    set_options(shape);
    arm(Script{});
    Workload workload(kSeed);
    workload.run();
    for (const Call call : kAllCalls) shared->of[static_cast<uint32_t>(call)] = calls(call);
    shared->all = calls_of_all_kinds();
    shared->reservations = registry().reservations();
    cache_list().for_each(
        [shared](ThreadCache& cache) { shared->adopted += cache.stats().slabs_adopted.get(); });
    EXPECT_EQ(workload.model().refused(), 0U);
    workload.recover();
    workload.wind_up();
  });
  const Counts counts = *shared;
  munmap(shared, sizeof(Counts));
  return counts;
}

void run_with(const std::string& what, Shape shape, const Script& script) {
  in_child(what, [&] {
    set_options(shape);
    arm(script);
    Workload workload(kSeed);
    workload.run();
    disarm();
    workload.recover();
    workload.wind_up();
  });
}

TEST(Refusal, TheWorkloadMakesEveryCall) {
  for (const Shape shape : kShapes) {
    const Counts counts = counts_of_a_clean_run(shape);
    for (const Call call : kAllCalls) {
      EXPECT_GE(counts.of[static_cast<uint32_t>(call)], 1U) << name_of(call);
    }
    EXPECT_GT(counts.of[static_cast<uint32_t>(Call::kRemap)], 3U);
    EXPECT_GT(counts.of[static_cast<uint32_t>(Call::kPurge)], 10U);
    EXPECT_GT(counts.adopted, 0U);
    EXPECT_GT(counts.reservations, shape == Shape::kSmallReserve ? 3U : 0U);
  }
}

class RefusalOf : public testing::TestWithParam<Call> {};
std::string name_of_case(const testing::TestParamInfo<Call>& info) { return name_of(info.param); }
INSTANTIATE_TEST_SUITE_P(EachCall, RefusalOf, testing::ValuesIn(kAllCalls), name_of_case);

// Where the SuperSlabs come from makes a difference only to the calls that get them.
bool depends_on_reservations(Call call) {
  return call == Call::kReserve || call == Call::kCommit || call == Call::kMakeReadable;
}

TEST_P(RefusalOf, OnceInTurn) {
  for (const Shape shape : {Shape::kDefault, Shape::kSmallReserve}) {
    if (shape != Shape::kDefault && !depends_on_reservations(GetParam())) continue;
    const uint64_t count = counts_of_a_clean_run(shape).of[static_cast<uint32_t>(GetParam())];
    for (uint64_t n = 0; n < count && !HasFailure(); n += kStride) {
      run_with(say("only call", n, shape), shape, nth(GetParam(), n));
    }
  }
}

// The first calls each, then a spread: later ones differ less.
TEST_P(RefusalOf, FromACallOn) {
  for (const Shape shape : kShapes) {
    if (shape != Shape::kDefault && !depends_on_reservations(GetParam())) continue;
    const uint64_t count = counts_of_a_clean_run(shape).of[static_cast<uint32_t>(GetParam())];
    for (uint64_t n = 0; n < count && !HasFailure(); n += n < 8 ? 1 : 16 * kStride) {
      run_with(say("from call", n, shape), shape, from(GetParam(), n));
    }
  }
}

TEST_P(RefusalOf, EveryFewCalls) {
  for (const Shape shape : kShapes) {
    for (const uint64_t k : {2u, 3u, 5u}) {
      run_with(say("every call", k, shape), shape, every(GetParam(), k));
    }
  }
}

TEST(Refusal, OfEverythingFromACallOn) {
  for (const Shape shape : kShapes) {
    const uint64_t count = counts_of_a_clean_run(shape).all;
    for (uint64_t n = 0; n < count && !HasFailure(); n += n < 20 ? 1 : 40 * kStride) {
      run_with(say("everything from call", n, shape), shape, everything_from(n));
    }
  }
}

// There are slots, but no bitmap for a slab; blocks of others, but no message to send them in.
TEST(Refusal, OfMetadataAlone) {
  for (const Shape shape : kShapes) {
    in_child(name_of(shape), [shape] {
      set_options(shape);
      arm(Script{});
      Workload workload(kSeed);
      workload.run();
      arm(from(Call::kCommit, 0));
      for (int round = 0; round < 3; ++round) {
        use_up_meta_arena();
        workload.exchange_with_peer();
        use_up_meta_arena();
        workload.run();
      }
      EXPECT_GT(workload.model().refused(), 0U);
      disarm();
      workload.recover();
      workload.wind_up();
    });
  }
}

// Advice about their pages is given without a lock, and for memory that is the heap's.
TEST(Refusal, OfWhatFullHugeBlocksNeed) {
  for (const Script& script : {Script{}, every(Call::kRemap, 2), from(Call::kRemap, 0), every(Call::kUnmap, 2), every(Call::kMap, 3)}) {
    in_child("full huge blocks", [&script] {
      set_options(Shape::kDefault);
      hak_free(hak_malloc(1));
      arm(script);
      constexpr size_t kSize = 8 << 20;
      for (uint32_t i = 0; i < 12; ++i) {
        char* block = static_cast<char*>(hak_malloc(kSize));
        if (block == nullptr) continue;
        std::memset(block, 1, kSize);
        if (void* grown = hak_realloc(block, kSize + (i << 20))) block = static_cast<char*>(grown);
        EXPECT_EQ(block[kSize - 1], 1);
        if (void* shrunk = hak_realloc(block, kSize - (i << 18))) block = static_cast<char*>(shrunk);
        EXPECT_EQ(block[0], 1);
        hak_free(block);
      }
      disarm();
      const bool tells = access("/proc/self/pagemap", R_OK) == 0 && !os::has_huge_pages_everywhere();
      EXPECT_TRUE(!tells || huge_blocks().counters().dense.get() != 0);
      EXPECT_STREQ(check_heap(Threads::kStopped), nullptr);
    });
  }
}

// A slab whose bitmap is refused gives its slots back at once.
TEST(Refusal, OfABitmap) {
  in_child("16-byte blocks", [] {
    set_options(Shape::kDefault);
    EXPECT_NE(hak_malloc(40'000), nullptr);
    arm(from(Call::kCommit, 0));
    use_up_meta_arena();
    const uint64_t active = pool().stats().active_slots;
    for (int i = 0; i < 100; ++i) EXPECT_EQ(hak_malloc(16), nullptr);
    EXPECT_EQ(pool().stats().active_slots, active);
    EXPECT_STREQ(check_heap(Threads::kStopped), nullptr);
    disarm();
    EXPECT_NE(hak_malloc(16), nullptr);
  });
}

// A block of another cache goes home by itself when there is no message to send it in.
TEST(Refusal, OfAMessage) {
  in_child("1000 blocks of a peer", [] {
    set_options(Shape::kDefault);
    hak_free(hak_malloc(1));
    std::vector<void*> blocks;
    Peer peer;
    peer.run([&blocks] {
      for (int i = 0; i < 1000; ++i) blocks.push_back(hak_malloc(64));
    });
    arm(from(Call::kCommit, 0));
    use_up_meta_arena();
    for (void* block : blocks) hak_free(block);
    disarm();
    peer.run([] { hak_thread_idle(); });
    HeapWalk walk;
    EXPECT_STREQ(check_heap(Threads::kStopped, &walk), nullptr);
    EXPECT_EQ(walk.live_blocks(), 0U);
  });
}

}  // namespace
}  // namespace hakmem::fakeos
