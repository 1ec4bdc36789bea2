// A static C++ program: operators of the archive's second member, threads, and exceptions past them.
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct alignas(256) Wide {
  char bytes[256];
};

std::size_t fill(int seed) {
  std::map<int, std::string> words;
  for (int i = 0; i < 2000; ++i)
    words[i * seed] = std::string(static_cast<std::size_t>(i % 90), 'x');
  return words.size();
}

bool throws_and_catches() {
  try {
    throw std::runtime_error(std::string(200, 'x'));
  } catch (const std::runtime_error& error) {
    return error.what()[199] == 'x';
  }
}

}  // namespace

int main() {
  std::vector<std::size_t> sizes(4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&sizes, i] { sizes[static_cast<std::size_t>(i)] = fill(i + 1); });
  }
  for (std::thread& thread : threads) thread.join();
  const auto wide = std::make_unique<Wide>();
  const bool aligned = reinterpret_cast<std::uintptr_t>(wide.get()) % alignof(Wide) == 0;
  const bool good = sizes == std::vector<std::size_t>(4, 2000) && aligned && throws_and_catches();
  if (!good) std::fprintf(stderr, "static_cxx: a check failed\n");
  return good ? 0 : 1;
}
