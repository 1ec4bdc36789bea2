// larson: threads die and pass their blocks on, as a server's do that hands a connection over.
//
// After Larson and Krishnan, "Memory allocation for long-running server applications" (ISMM 1998).
// Each of `chains` lines of threads owns `blocks` blocks of min..max bytes. A life is `replaced`
// times: free a random one of them, allocate another. Then the thread starts its successor, which
// takes the blocks over, and ends. So most blocks of a young thread came from threads that are
// gone, and it is the one that frees them. The first blocks of all come from the main thread.
//
// ops  mallocs and frees of the replacements.
#include "harness.h"

namespace {

constexpr const char* kUsage =
    "usage: larson [lives=200] [chains=2] [blocks=1000] [replaced=20000] [min=8] [max=1000]";
constexpr std::uint64_t kWarmUpLives = 3;
constexpr std::uint32_t kSeed = 42;

struct Workload {
  unsigned chains;
  std::size_t blocks;
  std::uint64_t replaced;
  std::size_t min_bytes;
  std::size_t max_bytes;
};

// What one thread hands to the next. Only the living thread of the chain touches it; that it is
// visible to the successor is pthread_create's doing.
struct alignas(bench::kCacheLineBytes) Chain {
  const Workload* workload;
  bench::Barrier* finished;
  void** blocks;
  std::uint64_t lives_left;
  std::uint32_t random_state;
};

void start_life(Chain& chain);

void* live(void* argument) {
  Chain& chain = *static_cast<Chain*>(argument);
  const Workload& workload = *chain.workload;
  bench::Xorshift32 random(chain.random_state);
  for (std::uint64_t i = 0; i < workload.replaced; ++i) {
    void*& block = chain.blocks[random.next() % workload.blocks];
    std::free(block);
    block = bench::allocate(random.between(workload.min_bytes, workload.max_bytes));
  }
  chain.random_state = random.next();
  if (--chain.lives_left > 0) {
    start_life(chain);
  } else {
    chain.finished->wait();
  }
  return nullptr;
}

// Detached: nobody waits for a thread whose successor is at work already.
void start_life(Chain& chain) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, live, &chain) != 0) {
    bench::die(1, "pthread_create failed");
  }
  pthread_attr_destroy(&attributes);
}

double seconds_of_lives(bench::MappedArray<Chain>& chains, unsigned count, std::uint64_t lives,
                        bench::Barrier& finished) {
  const double start = bench::now_seconds();
  for (unsigned i = 0; i < count; ++i) {
    chains[i].lives_left = lives;
    start_life(chains[i]);
  }
  finished.wait();
  return bench::now_seconds() - start;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage);
  arguments.at_most(6);
  const std::uint64_t lives = arguments.number(1, 200, 1, 1u << 30);
  Workload workload{};
  workload.chains = static_cast<unsigned>(arguments.number(2, 2, 1, 1024));
  workload.blocks = arguments.number(3, 1000, 1, 1u << 24);
  workload.replaced = arguments.number(4, 20'000, 1, UINT32_MAX);
  workload.min_bytes = arguments.number(5, 8, 1, 1u << 30);
  workload.max_bytes = arguments.number(6, 1000, 1, 1u << 30);
  if (workload.max_bytes < workload.min_bytes) bench::die(2, kUsage);

  bench::MappedArray<void*> blocks(workload.chains * workload.blocks);
  bench::MappedArray<Chain> chains(workload.chains);
  bench::Barrier finished(workload.chains + 1);
  bench::Xorshift32 random(kSeed);
  for (unsigned i = 0; i < workload.chains; ++i) {
    chains[i] = {&workload, &finished, &blocks[i * workload.blocks], 0, kSeed + i};
    for (std::size_t k = 0; k < workload.blocks; ++k) {
      chains[i].blocks[k] = bench::allocate(random.between(workload.min_bytes, workload.max_bytes));
    }
  }
  seconds_of_lives(chains, workload.chains, kWarmUpLives, finished);
  const double seconds = seconds_of_lives(chains, workload.chains, lives, finished);
  bench::report(arguments,
                {.name = "larson",
                 .ops = 2 * lives * workload.replaced * workload.chains,
                 .seconds = seconds,
                 .threads = workload.chains},
                "%s", "");
}
