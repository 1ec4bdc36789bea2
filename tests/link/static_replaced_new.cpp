// A static program that replaces operator new(size_t) and operator delete(void*) itself: no clash
// with the archive's, and every other form goes through the program's.
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

namespace {
int news = 0;
int deletes = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++news;
  void* block = std::malloc(size + 16);
  if (block == nullptr) throw std::bad_alloc();
  return static_cast<char*>(block) + 16;
}
void operator delete(void* block) noexcept {
  ++deletes;
  if (block != nullptr) std::free(static_cast<char*>(block) - 16);
}

int main() {
  delete[] new int[10];
  operator delete(operator new(10, std::nothrow), std::nothrow);
  operator delete(operator new(10), std::size_t{10});
  if (news != 3 || deletes != 3) return 1;
  {
    std::vector<std::string> words(100, std::string(100, 'x'));
    if (news < 100) return 2;
  }
  bool caught = false;
  try {
    volatile std::size_t too_much = std::size_t{1} << 60;
    operator delete(operator new(too_much));
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  std::puts(caught && news == deletes + 1 ? "fine" : "wrong");
  return caught && news == deletes + 1 ? 0 : 3;
}
