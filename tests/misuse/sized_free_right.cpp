// Every size that a program may rightly free with: nothing is said.
#include <new>
#include <vector>

#include "support/program.h"

static int free_with_right_sizes(void*) {
  for (size_t size = 0; size < 3 * MIB; size += size / 7 + 1) {
    free_sized(malloc(size), size);
    free_sized(calloc(1, size), size);
    ::operator delete(::operator new(size), size);
    for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 4) {
      free_aligned_sized(aligned_alloc(alignment, size), alignment, size);
    }
    void* block = malloc(10);
    block = realloc(block, size + 1);
    free_sized(block, size + 1);
    block = realloc(malloc(3 * size + 1), size + 1);
    free_sized(block, size + 1);
  }
  std::vector<char> bytes;
  for (int i = 0; i < 100000; ++i) bytes.push_back('x');
  return 0;
}

int main() {
  begin(20);
  const outcome child = run_forked(free_with_right_sizes, nullptr);
  EXPECT(exited_with(&child, 0));
  EXPECT(child.errors[0] == '\0');
  if (program_failures != 0) say(child.errors);
  return finish();
}
