// A program that replaces only operator new(size_t) and operator delete(void*) (and, apart, the
// aligned pair) sees every other form go through its own, as the standard has it.
#include <map>
#include <new>
#include <string>

#include "support/program.h"

namespace {
int news = 0;
int deletes = 0;
int aligned_news = 0;
int aligned_deletes = 0;
bool refuse = false;
char arena[4096];
}  // namespace

void* operator new(size_t size) {
  ++news;
  if (refuse) throw std::bad_alloc();
  void* block = malloc(size + 32);
  if (block == nullptr) throw std::bad_alloc();
  return static_cast<char*>(block) + 32;  // nobody but us may free it
}
void operator delete(void* block) noexcept {
  ++deletes;
  if (block != nullptr) free(static_cast<char*>(block) - 32);
}
void* operator new(size_t size, std::align_val_t) {
  ++aligned_news;
  if (refuse || size > sizeof arena - 1024) throw std::bad_alloc();
  const uintptr_t at = (reinterpret_cast<uintptr_t>(arena) + 1023) / 1024 * 1024;
  return reinterpret_cast<void*>(at);
}
void operator delete(void*, std::align_val_t) noexcept { ++aligned_deletes; }

static void plain_forms() {
  operator delete[](operator new[](10));
  EXPECT(news == 1 && deletes == 1);
  operator delete(operator new(10, std::nothrow), std::nothrow);
  EXPECT(news == 2 && deletes == 2);
  operator delete[](operator new[](10, std::nothrow), std::nothrow);
  EXPECT(news == 3 && deletes == 3);
  operator delete(operator new(10), size_t{10});
  EXPECT(news == 4 && deletes == 4);
  operator delete[](operator new[](10), size_t{10});
  EXPECT(news == 5 && deletes == 5);
  int* array = new int[100]();
  delete[] array;
  EXPECT(news == 6 && deletes == 6);
}

static void aligned_forms() {
  const std::align_val_t wide{1024};
  operator delete[](operator new[](10, wide), wide);
  EXPECT(aligned_news == 1 && aligned_deletes == 1);
  operator delete(operator new(10, wide, std::nothrow), wide, std::nothrow);
  EXPECT(aligned_news == 2 && aligned_deletes == 2);
  operator delete[](operator new[](10, wide, std::nothrow), wide, std::nothrow);
  EXPECT(aligned_news == 3 && aligned_deletes == 3);
  operator delete(operator new(10, wide), 10, wide);
  operator delete[](operator new[](10, wide), 10, wide);
  EXPECT(aligned_news == 5 && aligned_deletes == 5);
}

int main() {
  begin(20);
  news = deletes = 0;
  plain_forms();
  aligned_forms();
  refuse = true;
  EXPECT(operator new(10, std::nothrow) == nullptr);
  EXPECT(operator new[](10, std::nothrow) == nullptr);
  EXPECT(operator new(10, std::align_val_t{64}, std::nothrow) == nullptr);
  EXPECT(operator new[](10, std::align_val_t{64}, std::nothrow) == nullptr);
  refuse = false;
  // Code inside libstdc++.so goes through them, too.
  const int before = news;
  {
    std::map<int, std::string> words;
    for (int i = 0; i < 100; ++i) words[i] = std::string(100, 'x') + std::to_string(i);
  }
  EXPECT(news - before >= 200);
  EXPECT(news - deletes == before - deletes + (news - before));
  return finish();
}
