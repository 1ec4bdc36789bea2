// A program with a planted leak: `leak [threads [for-ever]]`. It loads half of what it leaks, says so, and goes on when it
// reads a line; at a second line it ends. Its answers are what the profile is compared with.
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kBlocks = 40'000;
constexpr int kLeakedBytes = 500;

// Each frees what it got, so nothing of it is live.
[[gnu::noinline]] void churning_site(int size) {
  void* volatile block = std::malloc(static_cast<std::size_t>(size));
  std::free(block);
}

void* volatile g_last;

[[gnu::noinline]] void leaking_site() {
  g_last = std::malloc(kLeakedBytes);
}

// Held together, and freed again: the peak.
[[gnu::noinline]] void peaking_site() {
  std::vector<void*> held;
  for (int i = 0; i < kBlocks; ++i) held.push_back(std::malloc(2000));
  for (void* block : held) std::free(block);
}

// A block of a thread that ends, freed by another; grown, so that it moves.
[[gnu::noinline]] void* growing_site(void* block, std::size_t size) {
  void* grown = std::realloc(block, size);
  if (grown == nullptr) std::abort();
  return grown;
}

void work() {
  for (int i = 0; i < kBlocks; ++i) {
    leaking_site();
    for (int k = 0; k < 10; ++k) churning_site(16 + 64 * k);
  }
  void* block = nullptr;
  for (std::size_t size = 1000; size < 40'000'000; size *= 2) block = growing_site(block, size);
  std::thread([block] { std::free(block); }).join();
  peaking_site();
}

void work_in(int threads) {
  std::vector<std::thread> all;
  for (int i = 1; i < threads; ++i) all.emplace_back(work);
  work();
  for (std::thread& thread : all) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  for (int round = 1; round <= 2; ++round) {
    work_in(threads);
    std::printf("%lld\n", static_cast<long long>(round) * threads * kBlocks * kLeakedBytes);
    std::fflush(stdout);
    // With a second argument: slowly for ever, so that what is asked of the process is answered.
    while (argc > 2) {
      leaking_site();
      for (int i = 0; i < 1000; ++i) churning_site(40 + i);
    }
    if (std::getchar() == EOF) return 0;
  }
  return 0;
}
