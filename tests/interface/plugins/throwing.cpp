// A C++ plugin for a C program: it catches the bad_alloc that operator new throws, or should.
#include <new>
#include <string>
#include <vector>

extern "C" int use_cxx(int seed) {
  std::vector<std::string> words;
  for (int i = 0; i < 1000; ++i) words.push_back(std::string(static_cast<size_t>(i), 'x'));
  return static_cast<int>(words[500].size()) + seed;
}

extern "C" int catch_bad_alloc() {
  int caught = 0;
  volatile size_t too_much = size_t{1} << 60;
  try {
    operator delete(operator new(too_much));
  } catch (const std::bad_alloc&) {
    caught += 1;
  }
  try {
    operator delete[](operator new[](too_much), std::align_val_t{64});
  } catch (const std::bad_alloc&) {
    caught += 2;
  }
  if (operator new(too_much, std::nothrow) == nullptr) caught += 4;
  return caught;
}

namespace {
struct GaveUp {};
}  // namespace

extern "C" int handler_is_called() {
  static int calls = 0;
  volatile size_t too_much = size_t{1} << 60;
  std::set_new_handler([] {
    if (++calls == 3) throw GaveUp();
  });
  try {
    operator delete(operator new(too_much));
  } catch (const GaveUp&) {
    std::set_new_handler(nullptr);
    return calls == 3;
  }
  return 0;
}
