// Thread-local objects with destructors that allocate and free, and static ones.
#include <memory>
#include <string>
#include <vector>

namespace {

struct Words {
  std::vector<std::string> all;
  ~Words() {
    const std::string last(3000, 'z');
    all.push_back(last);
    all.clear();
  }
};

thread_local Words words;
thread_local std::unique_ptr<char[]> buffer;
Words shared;

}  // namespace

extern "C" int use_thread_locals(int count) {
  for (int i = 0; i < count; ++i) words.all.emplace_back(static_cast<size_t>(i) * 40, 'a');
  buffer = std::make_unique<char[]>(20000);
  return static_cast<int>(words.all.size());
}
