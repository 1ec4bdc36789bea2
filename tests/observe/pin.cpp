// A program with planted pinning: `pin [rounds]`. When it reads a line, it allocates bursts of small blocks, some of which stay,
// and frees the others; the slabs stay, nearly empty. It says how many blocks do that, and ends at a second line. While it
// waits it works a little, so that what is asked of it is answered.
#include <poll.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int kBlocks = 100'000;
constexpr int kPinEach = 100;  // of small blocks, one stays
constexpr std::size_t kSmallBytes = 112;

std::vector<void*> g_kept;

// Of the same class as the pins, and soon gone.
[[gnu::noinline]] void* burst_site() { return std::malloc(kSmallBytes); }

[[gnu::noinline]] void* pinning_site() { return std::malloc(kSmallBytes); }

// Stays too, and as much of it, but together: its slabs are full.
[[gnu::noinline]] void* dense_site() { return std::malloc(720); }

// Of another class: two of a slab's 64 stay.
[[gnu::noinline]] void* second_site(std::size_t size) { return std::malloc(size); }

void burst() {
  std::vector<void*> passing;
  passing.reserve(kBlocks);
  for (int i = 0; i < kBlocks; ++i) {
    passing.push_back(burst_site());
    if (i % kPinEach == 0) g_kept.push_back(pinning_site());
    if (i % 10 == 0) g_kept.push_back(dense_site());
  }
  for (void* block : passing) std::free(block);
}

void second_burst() {
  std::vector<void*> passing;
  for (int i = 0; i < kBlocks / 50; ++i) {
    void* block = second_site(1000);
    (i % 32 == 0 ? g_kept : passing).push_back(block);
  }
  for (void* block : passing) std::free(block);
}

// Slow paths, so that ticks come.
[[gnu::noinline]] void idle_site() {
  std::vector<void*> blocks;
  for (int i = 0; i < 2000; ++i) blocks.push_back(std::malloc(2000));
  for (void* block : blocks) std::free(block);
}

void wait_for_input() {
  pollfd input{0, POLLIN, 0};
  while (poll(&input, 1, 1) == 0) idle_site();
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 4;
  g_kept.reserve(1 << 20);
  std::printf("ready\n");
  std::fflush(stdout);
  wait_for_input();
  if (std::getchar() == EOF) return 0;
  for (int i = 0; i < rounds; ++i) burst();
  second_burst();
  std::printf("%d\n", rounds * kBlocks / kPinEach);
  std::fflush(stdout);
  wait_for_input();
  return 0;
}
